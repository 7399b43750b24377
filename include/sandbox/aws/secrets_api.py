"""The calls of Secrets Manager: versions and stages, idempotent writes, deletion with recovery, policies.

A caller's role must allow the action on the secret, and its resource policy must not deny it. Rotation, replication
and KMS are not there: a key's id is kept, and encrypts nothing.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from include.sandbox.aws import access
from include.sandbox.aws.json_service import Context, JsonService, ServiceError
from include.sandbox.aws.secret_store import CURRENT, Secret, SecretStore, given_value, new_arn, shown_value, value_of

LARGEST_VALUE = 65_536
_DAY = 86_400
_NAME = re.compile(r"[A-Za-z0-9/_+=.@!-]{1,512}")
_NOT_KEPT = ("AddReplicaRegions", "Type", "RotationToken")

Input = dict[str, Any]


class SecretsApi:
    """The calls on one store of secrets."""

    def __init__(self, store: SecretStore) -> None:
        """Serve ``store``."""
        self._store = store

    def service(self) -> JsonService:
        """Return the calls as a WSGI application."""
        reads = {
            "GetSecretValue": self._get_value,
            "DescribeSecret": self._describe,
            "ListSecretVersionIds": self._list_versions,
            "GetResourcePolicy": self._get_policy,
        }
        writes = {
            "PutSecretValue": self._put_value,
            "UpdateSecret": self._update,
            "UpdateSecretVersionStage": self._update_stage,
            "RestoreSecret": self._restore,
            "PutResourcePolicy": self._put_policy,
            "DeleteResourcePolicy": self._delete_policy,
            "TagResource": self._tag,
            "UntagResource": self._untag,
        }
        handlers = {
            "CreateSecret": self._whole(self._create),
            "DeleteSecret": self._whole(self._delete),
            "ListSecrets": self._whole(self._list),
            **{name: self._on_one(name, call, saves=False) for name, call in reads.items()},
            **{name: self._on_one(name, call, saves=True) for name, call in writes.items()},
        }
        return JsonService("secretsmanager", handlers)

    # How a call is carried out

    def _whole(self, call: Callable[[Context, Input], Mapping[str, Any]]) -> Callable[[Context, Input], Any]:
        def carry_out(context: Context, given: Input) -> Mapping[str, Any]:
            with self._store.lock:
                return call(context, given)

        return carry_out

    def _on_one(
        self, name: str, call: Callable[[Secret, Input], Mapping[str, Any]], *, saves: bool
    ) -> Callable[[Context, Input], Any]:
        """Return the call on the one secret that its SecretId names, if the caller may make it."""

        def carry_out(context: Context, given: Input) -> Mapping[str, Any]:
            secret = self._store.find(context.region, given["SecretId"])
            _authorize(context, name, secret.arn if secret else given["SecretId"], secret)
            if secret is None:
                raise _not_found()
            result = {"ARN": secret.arn, "Name": secret.name, **call(secret, given)}
            if saves:
                self._store.save()
            return result

        return self._whole(carry_out)

    # The calls

    def _create(self, context: Context, given: Input) -> Mapping[str, Any]:
        name = given["Name"]
        _authorize(context, "CreateSecret", name, None)
        _refuse_not_kept(given)
        if not _NAME.fullmatch(name):
            allowed = "alphanumeric characters, or any of the following: -/_+=.@!"
            raise ServiceError("ValidationException", f"Invalid name. Must be a valid name containing {allowed}")
        value = given_value(given)
        token = given.get("ClientRequestToken") or str(uuid.uuid4())
        secret = self._store.find(context.region, name)
        if secret and secret.deleted_date:
            text = "You can't create this secret because a secret with this name is already scheduled for deletion."
            raise ServiceError("InvalidRequestException", text)
        if secret and (token not in secret.versions or value_of(secret.versions[token]) != value):
            text = f"The operation failed because the secret {name} already exists."
            raise ServiceError("ResourceExistsException", text)
        if secret is None:
            secret = Secret(
                name=name,
                arn=new_arn(context.region, name),
                created_date=time.time(),
                last_changed_date=time.time(),
                description=given.get("Description"),
                tags=given.get("Tags"),
                kms_key_id=given.get("KmsKeyId"),
            )
            if value:
                secret.add(token, value, [CURRENT])
            self._store.in_region(context.region)[name] = secret
            self._store.save()
        return {"ARN": secret.arn, "Name": name} | ({"VersionId": token} if value else {})

    def _delete(self, context: Context, given: Input) -> Mapping[str, Any]:
        force, days = bool(given.get("ForceDeleteWithoutRecovery")), given.get("RecoveryWindowInDays")
        if force and days is not None:
            text = "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays."
            raise ServiceError("InvalidParameterException", text)
        if days is not None and not 7 <= days <= 30:
            text = "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
            raise ServiceError("InvalidParameterException", text)
        name = given["SecretId"]
        secret = self._store.find(context.region, name)
        _authorize(context, "DeleteSecret", secret.arn if secret else name, secret)
        if secret is None and force:
            return {"ARN": new_arn(context.region, name), "Name": name, "DeletionDate": time.time()}
        if secret is None:
            raise _not_found()
        if force:
            del self._store.in_region(context.region)[secret.name]
        else:
            _refuse_deleted(secret)
            secret.deleted_date = time.time() + (days or 30) * _DAY
        self._store.save()
        return {"ARN": secret.arn, "Name": secret.name, "DeletionDate": secret.deleted_date or time.time()}

    def _list(self, context: Context, given: Input) -> Mapping[str, Any]:
        _authorize(context, "ListSecrets", "*", None)
        found = [
            secret
            for secret in sorted(self._store.in_region(context.region).values(), key=lambda s: s.created_date)
            if (given.get("IncludePlannedDeletion") or not secret.deleted_date)
            and all(_passes(secret, one) for one in given.get("Filters") or [])
        ]
        if given.get("SortOrder") == "desc":
            found.reverse()
        start = int(given.get("NextToken") or 0)
        end = start + (given.get("MaxResults") or 100)
        answer: Input = {
            "SecretList": [_described(s) | {"SecretVersionsToStages": _stages(s)} for s in found[start:end]]
        }
        return answer | ({"NextToken": str(end)} if end < len(found) else {})

    def _get_value(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        _refuse_deleted(secret)
        identifier, stage = given.get("VersionId"), given.get("VersionStage")
        if identifier and stage and secret.staged(stage) != identifier:
            text = "You provided a VersionStage that is not associated to the provided VersionId."
            raise ServiceError("InvalidRequestException", text)
        wanted = identifier or secret.staged(stage or CURRENT)
        version = secret.versions.get(wanted or "")
        if version is None:
            place = f"VersionId: {identifier}" if identifier else f"staging label: {stage or CURRENT}"
            text = f"Secrets Manager can't find the specified secret value for {place}"
            raise ServiceError("ResourceNotFoundException", text)
        answer = {"VersionId": wanted, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
        return answer | shown_value(version)

    def _describe(self, secret: Secret, _: Input) -> Mapping[str, Any]:
        return _described(secret) | {"VersionIdsToStages": _stages(secret)}

    def _list_versions(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        versions = [
            {"VersionId": name, "VersionStages": version["version_stages"], "CreatedDate": version["createdate"]}
            for name, version in secret.versions.items()
            if version["version_stages"] or given.get("IncludeDeprecated")
        ]
        return {"Versions": versions}

    def _put_value(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        _refuse_deleted(secret)
        _refuse_not_kept(given)
        value = given_value(given)
        if not value:
            raise ServiceError("InvalidRequestException", "You must provide either SecretString or SecretBinary.")
        token = given.get("ClientRequestToken") or str(uuid.uuid4())
        secret.add(token, value, given.get("VersionStages") or [CURRENT])
        return {"VersionId": token, "VersionStages": secret.versions[token]["version_stages"]}

    def _update(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        _refuse_deleted(secret)
        _refuse_not_kept(given)
        value = given_value(given)
        token = given.get("ClientRequestToken") or str(uuid.uuid4())
        if value:
            secret.add(token, value, [CURRENT])
        secret.description = given.get("Description", secret.description)
        secret.kms_key_id = given.get("KmsKeyId", secret.kms_key_id)
        secret.last_changed_date = time.time()
        return {"VersionId": token} if value else {}

    def _update_stage(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        _refuse_deleted(secret)
        stage, source, target = given["VersionStage"], given.get("RemoveFromVersionId"), given.get("MoveToVersionId")
        for version in (source, target):
            if version and version not in secret.versions:
                raise ServiceError("ResourceNotFoundException", f"Secrets Manager can't find the version {version}.")
        holder = secret.staged(stage)
        if holder and holder not in {source, target}:
            text = f"Staging label {stage} is currently attached to version {holder}, so you must explicitly reference"
            raise ServiceError("InvalidParameterException", f"{text} that version in RemoveFromVersionId.")
        if source and source != holder:
            raise ServiceError("InvalidParameterException", f"Staging label {stage} is not attached to {source}.")
        if not target and stage == CURRENT:
            text = "You can only move staging label AWSCURRENT to a different secret version. It can't be removed."
            raise ServiceError("InvalidParameterException", text)
        if target:
            secret.move(stage, target)
        elif source:
            secret.versions[source]["version_stages"].remove(stage)
        return {}

    def _restore(self, secret: Secret, _: Input) -> Mapping[str, Any]:
        secret.deleted_date = None
        return {}

    def _put_policy(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        _refuse_deleted(secret)
        try:
            access.check_policy(given["ResourcePolicy"])
        except ValueError as error:
            raise ServiceError("MalformedPolicyDocumentException", str(error)) from None
        secret.policy = given["ResourcePolicy"]
        return {}

    def _get_policy(self, secret: Secret, _: Input) -> Mapping[str, Any]:
        return {"ResourcePolicy": secret.policy} if secret.policy else {}

    def _delete_policy(self, secret: Secret, _: Input) -> Mapping[str, Any]:
        secret.policy = None
        return {}

    def _tag(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        if not all(tag.get("Key") and "Value" in tag for tag in given["Tags"]):
            raise ServiceError("InvalidParameterException", "Each tag must have a Key and a Value.")
        tags = {tag["Key"]: tag for tag in [*(secret.tags or []), *given["Tags"]]}
        secret.tags = list(tags.values())
        return {}

    def _untag(self, secret: Secret, given: Input) -> Mapping[str, Any]:
        secret.tags = [tag for tag in secret.tags or [] if tag["Key"] not in given["TagKeys"]]
        return {}


def _authorize(context: Context, call: str, resource: str, secret: Secret | None) -> None:
    action = f"secretsmanager:{call}"
    verdict = access.decide(context.caller, action, resource, secret.policy if secret else None)
    if verdict == access.ALLOWED:
        return
    why = (
        "with an explicit deny in a policy"
        if verdict == access.EXPLICIT
        else f"because no identity-based policy allows the {action} action"
    )
    text = f"User: {context.caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    raise ServiceError("AccessDeniedException", text)


def _not_found() -> ServiceError:
    return ServiceError("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")


def _refuse_deleted(secret: Secret) -> None:
    if secret.deleted_date:
        text = "You can't perform this operation on the secret because it was marked for deletion."
        raise ServiceError("InvalidRequestException", text)


def _refuse_not_kept(given: Input) -> None:
    found = [name for name in _NOT_KEPT if given.get(name)]
    if found:
        raise NotImplementedError(f"{found[0]} of a secret")
    if len((given.get("SecretString") or "").encode()) > LARGEST_VALUE:
        raise ServiceError("ValidationException", f"A secret value can be at most {LARGEST_VALUE} bytes long.")


def _passes(secret: Secret, condition: Mapping[str, Any]) -> bool:
    """Say whether a secret is what a filter of ListSecrets asks for: one of the values, by its beginning."""
    texts = {
        "name": [secret.name],
        "description": [secret.description or ""],
        "tag-key": [tag["Key"] for tag in secret.tags or []],
        "tag-value": [tag["Value"] for tag in secret.tags or []],
    }.get(condition.get("Key", ""))
    if texts is None:
        raise NotImplementedError(f"the filter {condition.get('Key')} of secrets")
    wanted = condition.get("Values") or []
    if any(value.startswith("!") for value in wanted):
        raise NotImplementedError("a filter of secrets that begins with !")
    return any(text.startswith(value) for text in texts for value in wanted)


def _described(secret: Secret) -> Input:
    known = {
        "ARN": secret.arn,
        "Name": secret.name,
        "Description": secret.description,
        "KmsKeyId": secret.kms_key_id,
        "CreatedDate": secret.created_date,
        "LastChangedDate": secret.last_changed_date,
        "DeletedDate": secret.deleted_date,
        "Tags": secret.tags,
    }
    return {name: value for name, value in known.items() if value is not None}


def _stages(secret: Secret) -> dict[str, list[str]]:
    return {name: v["version_stages"] for name, v in secret.versions.items() if v["version_stages"]}
