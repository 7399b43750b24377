"""Secrets Manager of the sandbox, as boto3 and a training job use it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from .support import Server, log_lines, training_request, upload_script, wait_for_end

READ = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
TRUST = {
    "Statement": {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
}
READ_SECRET = """
import sys, boto3, botocore
print(boto3.client("sts").get_caller_identity()["Arn"])
try:
    print("got " + boto3.client("secretsmanager").get_secret_value(SecretId=sys.argv[2])["SecretString"])
except botocore.exceptions.ClientError as error:
    print(f"refused {error.response['Error']['Code']} {error.response['ResponseMetadata']['RetryAttempts']}")
"""


@pytest.fixture
def secrets(server: Server) -> Any:
    return server.client("secretsmanager")


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return f"test/{request.node.name.replace('[', '-').replace(']', '')}"


def refusal(call: Callable[[], Any]) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call()
    answer = caught.value.response
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 400
    return answer["Error"]["Code"], answer["Error"]["Message"]


def value(secrets: Any, name: str, **more: str) -> str:
    return str(secrets.get_secret_value(SecretId=name, **more)["SecretString"])


def test_a_new_value_becomes_current_and_the_old_one_previous(secrets: Any, name: str) -> None:
    versions = [secrets.create_secret(Name=name, SecretString="1")["VersionId"]]
    versions += [secrets.put_secret_value(SecretId=name, SecretString=text)["VersionId"] for text in "23"]
    assert value(secrets, name) == value(secrets, name, VersionStage="AWSCURRENT") == "3"
    assert value(secrets, name, VersionStage="AWSPREVIOUS") == "2"
    assert value(secrets, name, VersionId=versions[0]) == "1"
    described = secrets.describe_secret(SecretId=name)
    assert described["VersionIdsToStages"] == {versions[1]: ["AWSPREVIOUS"], versions[2]: ["AWSCURRENT"]}
    secrets.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=versions[2], MoveToVersionId=versions[1]
    )
    assert (value(secrets, name), value(secrets, name, VersionStage="AWSPREVIOUS")) == ("2", "3")
    listed = secrets.list_secret_version_ids(SecretId=name, IncludeDeprecated=True)["Versions"]
    assert [version["VersionId"] for version in listed] == versions


def test_a_stage_of_one_s_own_stays_until_it_is_moved(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name, SecretString="1")
    secrets.put_secret_value(SecretId=name, SecretString="2", VersionStages=["next"])
    assert (value(secrets, name), value(secrets, name, VersionStage="next")) == ("1", "2")
    code, text = refusal(lambda: value(secrets, name, VersionStage="other"))
    assert (code, "staging label: other" in text) == ("ResourceNotFoundException", True)


def test_the_same_token_writes_once(secrets: Any, name: str) -> None:
    token = str(uuid.UUID(int=7))
    first = secrets.create_secret(Name=name, SecretString="1", ClientRequestToken=token)
    again = secrets.create_secret(Name=name, SecretString="1", ClientRequestToken=token)
    assert (again["ARN"], again["VersionId"]) == (first["ARN"], token)
    secrets.put_secret_value(SecretId=name, SecretString="1", ClientRequestToken=token)
    assert list(secrets.describe_secret(SecretId=name)["VersionIdsToStages"]) == [token]
    for call in (
        lambda: secrets.put_secret_value(SecretId=name, SecretString="2", ClientRequestToken=token),
        lambda: secrets.update_secret(SecretId=name, SecretString="2", ClientRequestToken=token),
        lambda: secrets.create_secret(Name=name, SecretString="1"),
    ):
        assert refusal(call)[0] == "ResourceExistsException"
    assert value(secrets, name) == "1"


def test_a_deleted_secret_is_told_from_one_that_never_was(secrets: Any, name: str) -> None:
    arn = secrets.create_secret(Name=name, SecretString="1")["ARN"]
    secrets.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    for call in (
        lambda: secrets.get_secret_value(SecretId=arn),
        lambda: secrets.put_secret_value(SecretId=name, SecretString="2"),
        lambda: secrets.update_secret(SecretId=name, SecretString="2"),
        lambda: secrets.create_secret(Name=name, SecretString="2"),
        lambda: secrets.delete_secret(SecretId=name),
    ):
        code, text = refusal(call)
        assert (code, "deletion" in text) == ("InvalidRequestException", True)
    assert "DeletedDate" in secrets.describe_secret(SecretId=name)
    assert name not in {secret["Name"] for secret in secrets.list_secrets()["SecretList"]}
    secrets.restore_secret(SecretId=name)
    assert value(secrets, name) == "1"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert refusal(lambda: value(secrets, name))[0] == "ResourceNotFoundException"
    secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.mark.parametrize(
    "how", [{"RecoveryWindowInDays": 6}, {"RecoveryWindowInDays": 7, "ForceDeleteWithoutRecovery": True}]
)
def test_a_deletion_that_contradicts_itself_is_refused(secrets: Any, how: dict[str, Any]) -> None:
    assert refusal(lambda: secrets.delete_secret(SecretId="any", **how))[0] == "InvalidParameterException"


def test_an_arn_is_understood_with_and_without_its_end(secrets: Any, server: Server, name: str) -> None:
    arn = secrets.create_secret(Name=name, SecretString="1")["ARN"]
    assert value(secrets, arn) == value(secrets, arn[:-7]) == "1"
    assert refusal(lambda: value(secrets, arn[:-1]))[0] == "ResourceNotFoundException"
    elsewhere = server.new_client("secretsmanager", region_name="eu-west-1")
    for identifier in (name, arn):
        assert refusal(lambda identifier=identifier: value(elsewhere, identifier))[0] == "ResourceNotFoundException"


def test_bytes_and_texts_are_told_apart(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name, SecretBinary=b"\x00\xff")
    got = secrets.get_secret_value(SecretId=name)
    assert (got["SecretBinary"], "SecretString" in got) == (b"\x00\xff", False)
    both = lambda: secrets.put_secret_value(SecretId=name, SecretString="1", SecretBinary=b"1")  # noqa: E731
    assert refusal(both)[0] == "InvalidParameterException"


def test_a_secret_may_have_no_value_yet(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name)
    code, text = refusal(lambda: value(secrets, name))
    assert (code, "AWSCURRENT" in text) == ("ResourceNotFoundException", True)


@pytest.mark.parametrize(
    "given",
    [
        {"Name": "has space", "SecretString": "planted"},
        {"Name": "x" * 513, "SecretString": "planted"},
        {"Name": "large", "SecretString": "planted" * 10_000},
        {"Name": "wide", "SecretString": "ä" * 40_000},
        {"Name": "token", "SecretString": "planted", "ClientRequestToken": "t" * 65},
    ],
    ids=["name", "long name", "large", "large in bytes", "token"],
)
def test_what_breaks_the_rules_is_refused_without_repeating_it(secrets: Any, given: dict[str, str]) -> None:
    code, text = refusal(lambda: secrets.create_secret(**given))
    assert (code, "planted" in text) == ("ValidationException", False)


def test_secrets_are_listed_by_filter_and_in_pages(secrets: Any, name: str) -> None:
    for number in range(3):
        secrets.create_secret(Name=f"{name}/{number}", SecretString="1", Tags=[{"Key": "n", "Value": str(number)}])
    by_name = {"Filters": [{"Key": "name", "Values": [name]}]}
    pages = list(secrets.get_paginator("list_secrets").paginate(**by_name, PaginationConfig={"PageSize": 2}))
    assert [len(page["SecretList"]) for page in pages] == [2, 1]
    tagged = secrets.list_secrets(Filters=[*by_name["Filters"], {"Key": "tag-value", "Values": ["1"]}])["SecretList"]
    assert [secret["Name"] for secret in tagged] == [f"{name}/1"]
    secrets.tag_resource(SecretId=f"{name}/1", Tags=[{"Key": "n", "Value": "7"}, {"Key": "m", "Value": "8"}])
    secrets.untag_resource(SecretId=f"{name}/1", TagKeys=["m"])
    assert secrets.describe_secret(SecretId=f"{name}/1")["Tags"] == [{"Key": "n", "Value": "7"}]


def test_a_policy_it_cannot_weigh_is_refused(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name, SecretString="1")
    put = lambda statement: secrets.put_resource_policy(  # noqa: E731
        SecretId=name, ResourcePolicy=json.dumps({"Statement": statement})
    )
    deny = {"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}
    assert refusal(lambda: put({**deny, "Condition": {"Bool": {}}}))[0] == "NotImplementedBySandbox"
    assert refusal(lambda: put({**deny, "Effect": "Perhaps"}))[0] == "MalformedPolicyDocumentException"
    assert refusal(lambda: put([]) and put("text"))[0] == "MalformedPolicyDocumentException"


def test_a_resource_policy_locks_everybody_out_until_it_is_gone(secrets: Any, name: str) -> None:
    secrets.create_secret(Name=name, SecretString="1")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:Get*Value", "Resource": "*"}
    policy = json.dumps({"Statement": [deny]})
    secrets.put_resource_policy(SecretId=name, ResourcePolicy=policy)
    assert secrets.get_resource_policy(SecretId=name)["ResourcePolicy"] == policy
    assert refusal(lambda: value(secrets, name))[0] == "AccessDeniedException"
    secrets.delete_resource_policy(SecretId=name)
    assert value(secrets, name) == "1"


@pytest.mark.parametrize("case", ["allowed", "no policy", "denied by the secret"])
def test_a_job_reads_the_secret_only_if_its_role_may(server: Server, secrets: Any, case: str) -> None:
    role, name = f"role-{case.replace(' ', '-')}", f"login-{case.replace(' ', '-')}"
    iam = server.client("iam")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    if case != "no policy":
        iam.put_role_policy(
            RoleName=role, PolicyName="read", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [READ]})
        )
    secrets.create_secret(Name=name, SecretString="swordfish")
    if case == "denied by the secret":
        deny = {"Effect": "Deny", "Principal": {"AWS": arn}, "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
        secrets.put_resource_policy(SecretId=name, ResourcePolicy=json.dumps({"Statement": [deny]}))
    job = f"secret-{case.replace(' ', '-')}"
    source = upload_script(server, job, READ_SECRET)
    request = training_request(server, job, source, hyperparameters={"secret": name}, RoleArn=arn)
    server.client("sagemaker").create_training_job(**request)
    wait_for_end(server, job)
    expected = "got swordfish" if case == "allowed" else "refused AccessDeniedException 0"
    assert log_lines(server, job) == [f"arn:aws:sts::123456789012:assumed-role/{role}/SageMaker", expected]
    assert value(secrets, name) == "swordfish", "the account's own keys read it all the same"


def test_secrets_survive_a_kill_with_their_versions_policies_and_deletions(own_server: Server) -> None:
    secrets = own_server.client("secretsmanager")
    arn = secrets.create_secret(Name="kept", SecretString="1", Description="d", Tags=[{"Key": "k", "Value": "v"}])[
        "ARN"
    ]
    secrets.put_secret_value(SecretId="kept", SecretString="2")
    policy = json.dumps({"Statement": {"Effect": "Deny", "Principal": "nobody", "Action": "*", "Resource": "*"}})
    secrets.put_resource_policy(SecretId="kept", ResourcePolicy=policy)
    secrets.create_secret(Name="bytes", SecretBinary=b"\x00\xff")
    secrets.create_secret(Name="deleted", SecretString="1")
    secrets.delete_secret(SecretId="deleted")
    before = secrets.describe_secret(SecretId="kept")

    own_server.kill()
    own_server.start()

    secrets = own_server.client("secretsmanager")
    after = secrets.describe_secret(SecretId=arn)
    del before["ResponseMetadata"], after["ResponseMetadata"]
    assert after == before
    assert (value(secrets, arn), value(secrets, arn, VersionStage="AWSPREVIOUS")) == ("2", "1")
    assert secrets.get_resource_policy(SecretId=arn)["ResourcePolicy"] == policy
    assert secrets.get_secret_value(SecretId="bytes")["SecretBinary"] == b"\x00\xff"
    assert refusal(lambda: value(secrets, "deleted"))[0] == "InvalidRequestException"
    assert Path(own_server.state, "secrets.json").stat().st_mode & 0o777 == 0o600


def test_secrets_of_the_earlier_layout_are_taken_over(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    version = {"createdate": 1, "version_id": "v", "version_stages": ["AWSCURRENT"], "secret_string": "1"}
    record = {
        "name": "old",
        "arn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:old-AbCdEf",
        "description": "",
        "tags": None,
        "kms_key_id": None,
        "versions": {"v": version},
        "default_version_id": "v",
        "created_date": 1,
        "last_changed_date": 1,
        "deleted_date": None,
    }
    (state / "secrets.json").write_text(json.dumps({"us-east-1": [record], "eu-west-1": []}))
    server = Server(state)
    try:
        assert value(server.client("secretsmanager"), record["arn"]) == "1"
    finally:
        server.kill()
