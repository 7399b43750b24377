"""S3 of the sandbox, as boto3 uses it."""

from __future__ import annotations

import hashlib
import io
import json
import socket
import zlib
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from .support import BUCKET, Server

MIB = 1 << 20


@pytest.fixture
def s3(server: Server) -> Any:
    return server.client("s3")


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:40]
    s3.create_bucket(Bucket=name)
    return name


def code_of(caught: pytest.ExceptionInfo[ClientError]) -> str:
    return str(caught.value.response["Error"]["Code"])


def test_an_object_comes_back_with_all_that_was_said_of_it(s3: Any, bucket: str) -> None:
    key = "a folder/ä+ö %25 ?#&='\".txt"
    put = s3.put_object(
        Bucket=bucket,
        Key=key,
        Body=b"one\ntwo",
        ContentType="text/x-odd",
        CacheControl="no-store",
        Metadata={"by_whom": "me", "why": "because"},
        Tagging="team=ml&cost+centre=7",
        ServerSideEncryption="aws:kms",
        SSEKMSKeyId="key",
    )
    got = s3.get_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    assert got["Body"].read() == b"one\ntwo"
    assert (got["ContentType"], got["CacheControl"], got["ContentLength"]) == ("text/x-odd", "no-store", 7)
    assert got["Metadata"] == {"by_whom": "me", "why": "because"}
    assert got["ETag"] == put["ETag"] == '"76bb1822205fc52742565357a1027fec"'
    assert got["ChecksumCRC32"] == b64encode(zlib.crc32(b"one\ntwo").to_bytes(4, "big")).decode()
    assert (got["ServerSideEncryption"], got["SSEKMSKeyId"], got["TagCount"]) == ("aws:kms", "key", 2)
    head = s3.head_object(Bucket=bucket, Key=key)
    assert (head["ContentLength"], head["ETag"], head["LastModified"]) == (7, got["ETag"], got["LastModified"])
    assert {t["Key"]: t["Value"] for t in s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]} == {
        "team": "ml",
        "cost centre": "7",
    }
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    assert [item["Key"] for item in s3.list_objects(Bucket=bucket)["Contents"]] == [key]


@pytest.mark.parametrize("key", ["../../../etc/passwd", "/leading", "a//b", "trailing/", "a/./b/../c", "\u00e9" * 400])
def test_keys_are_names_and_not_paths(s3: Any, bucket: str, server: Server, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    files = {path for path in Path(server.state, "s3").rglob("*") if path.is_file()}
    assert {path.parent.name for path in files} == {"s3", ".bodies"}


@pytest.mark.parametrize("name", ["..", "UPPER", "a", "a..b", "192.168.0.1", "-a-", "a_b", "x" * 64])
def test_a_bucket_s_name_follows_the_rules(server: Server, name: str) -> None:
    answer = requests.put(f"{server.url}/{name.replace('..', '%2E%2E')}", timeout=5)
    assert (answer.status_code, "InvalidBucketName" in answer.text) == (400, True)


def test_a_key_too_long_is_refused(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k" * 1025, Body=b"")
    assert code_of(caught) == "KeyTooLongError"


@pytest.mark.parametrize(
    ("wanted", "body", "content_range"),
    [
        ("bytes=0-1", b"01", "bytes 0-1/10"),
        ("bytes=8-", b"89", "bytes 8-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=5-99", b"56789", "bytes 5-9/10"),
        ("lines=1-2", b"0123456789", None),
    ],
)
def test_a_range_is_read(s3: Any, bucket: str, wanted: str, body: bytes, content_range: str | None) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert (got["Body"].read(), got.get("ContentRange")) == (body, content_range)


def test_a_range_past_the_end_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    with pytest.raises(ClientError) as caught:
        s3.get_object(Bucket=bucket, Key="k", Range="bytes=10-")
    assert code_of(caught) == "InvalidRange"


def test_conditions_of_reads_and_writes(s3: Any, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    for refused, code in (
        (lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*"), "PreconditionFailed"),
        (lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch='"other"'), "PreconditionFailed"),
        (lambda: s3.get_object(Bucket=bucket, Key="k", IfMatch='"other"'), "PreconditionFailed"),
        (lambda: s3.get_object(Bucket=bucket, Key="k", IfNoneMatch=etag), "304"),
    ):
        with pytest.raises(ClientError) as caught:
            refused()
        assert code_of(caught) == code
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=etag)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"2"


@pytest.mark.parametrize(
    "changes",
    [{"ContentMD5": b64encode(b"0" * 16).decode()}, {"ChecksumSHA256": b64encode(b"0" * 32).decode()}],
    ids=["md5", "sha256"],
)
def test_a_body_that_is_not_what_its_checksum_says_is_refused(s3: Any, bucket: str, changes: dict[str, str]) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"body", **changes)
    assert code_of(caught) == "BadDigest"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


def test_a_body_in_signed_chunks_is_put_together(server: Server, bucket: str, s3: Any) -> None:
    crc = b64encode(zlib.crc32(b"hello world").to_bytes(4, "big")).decode()
    body = f"5;chunk-signature=0\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:{crc}\r\n\r\n"
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": "11",
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    answer = requests.put(f"{server.url}/{bucket}/k", data=body.encode(), headers=headers, timeout=5)
    assert answer.status_code == 200
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert (got["Body"].read(), got["ChecksumCRC32"]) == (b"hello world", crc)
    assert "ContentEncoding" not in got
    wrong = requests.put(
        f"{server.url}/{bucket}/k", data=body.replace(crc, "AAAAAA==").encode(), headers=headers, timeout=5
    )
    assert "BadDigest" in wrong.text


def test_a_body_that_ends_early_changes_nothing(server: Server, bucket: str, s3: Any) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"whole")
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port)) as connection:
        head = f"PUT /{bucket}/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert b"IncompleteBody" in connection.makefile("rb").read()
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"whole"


def test_listings_come_in_pages_and_groups(s3: Any, bucket: str) -> None:
    keys = [f"{folder}/{number}" for folder in ("a", "b", "c") for number in range(4)] + ["top"]
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"")

    def names(call: str, **arguments: Any) -> list[str]:
        pages = list(s3.get_paginator(call).paginate(Bucket=bucket, **arguments))
        return [
            *(item["Key"] for page in pages for item in page.get("Contents", [])),
            *(item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])),
        ]

    for call in ("list_objects", "list_objects_v2"):
        assert names(call) == names(call, PaginationConfig={"PageSize": 3}) == keys
        assert names(call, Prefix="b/", PaginationConfig={"PageSize": 3}) == keys[4:8]
        for size in (1, 2, 1000):
            assert names(call, Delimiter="/", PaginationConfig={"PageSize": size}) == ["top", "a/", "b/", "c/"]
    assert names("list_objects_v2", StartAfter="b/1") == keys[6:]
    assert names("list_objects_v2", StartAfter="b/1", Delimiter="/") == ["top", "b/", "c/"]


def test_many_objects_are_deleted_at_once(s3: Any, bucket: str) -> None:
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=str(number), Body=b"")
    gone = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "0"}, {"Key": "1"}, {"Key": "never"}]})
    assert [item["Key"] for item in gone["Deleted"]] == ["0", "1", "never"]
    with pytest.raises(ClientError) as caught:
        s3.delete_bucket(Bucket=bucket)
    assert code_of(caught) == "BucketNotEmpty"
    s3.delete_object(Bucket=bucket, Key="2")
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(ClientError) as caught:
        s3.list_objects_v2(Bucket=bucket)
    assert code_of(caught) == "NoSuchBucket"


def test_a_copy_takes_body_type_metadata_and_tags_along(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="a b/ö", Body=b"x", ContentType="text/plain", Metadata={"k": "v"}, Tagging="t=1")
    s3.copy({"Bucket": bucket, "Key": "a b/ö"}, bucket, "copy")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"], got["TagCount"]) == (
        b"x",
        "text/plain",
        {"k": "v"},
        1,
    )
    s3.copy_object(
        Bucket=bucket,
        Key="copy",
        CopySource={"Bucket": bucket, "Key": "copy"},
        MetadataDirective="REPLACE",
        Metadata={"k": "w"},
    )
    assert s3.head_object(Bucket=bucket, Key="copy")["Metadata"] == {"k": "w"}


@pytest.mark.parametrize("checksum", ["CRC32", "SHA256"])
def test_a_large_file_goes_up_in_parts_and_comes_down_whole(
    s3: Any, bucket: str, tmp_path: Path, checksum: str
) -> None:
    body = bytes(range(256)) * (13 * MIB // 256)
    (tmp_path / "up").write_bytes(body)
    config = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)
    more = {"ChecksumAlgorithm": checksum, "Metadata": {"k": "v"}}
    s3.upload_file(str(tmp_path / "up"), bucket, "k", ExtraArgs=more, Config=config)
    s3.download_file(bucket, "k", str(tmp_path / "down"), Config=config)
    assert (tmp_path / "down").read_bytes() == body
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ETag"].endswith('-3"')
    assert head["Metadata"] == {"k": "v"}
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_parts_are_checked(s3: Any, bucket: str) -> None:
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    place = {"Bucket": bucket, "Key": "k", "UploadId": upload}
    first = s3.upload_part(**place, PartNumber=1, Body=b"small")["ETag"]
    second = s3.upload_part(**place, PartNumber=2, Body=b"small")["ETag"]
    assert [part["PartNumber"] for part in s3.list_parts(**place)["Parts"]] == [1, 2]
    for parts, code in (
        ([(1, first), (2, second)], "EntityTooSmall"),
        ([(1, '"other"')], "InvalidPart"),
        ([(2, second), (1, first)], "InvalidPartOrder"),
    ):
        named = [{"PartNumber": number, "ETag": etag} for number, etag in parts]
        with pytest.raises(ClientError) as caught:
            s3.complete_multipart_upload(**place, MultipartUpload={"Parts": named})
        assert code_of(caught) == code
    s3.abort_multipart_upload(**place)
    with pytest.raises(ClientError) as caught:
        s3.list_parts(**place)
    assert code_of(caught) == "NoSuchUpload"


def test_a_presigned_address_works_until_it_has_expired(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"body")
    sign = s3.generate_presigned_url
    good = sign("get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentType": "text/odd"})
    answer = requests.get(good, timeout=5)
    assert (answer.text, answer.headers["Content-Type"]) == ("body", "text/odd")
    old = sign("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=-10)
    assert requests.get(old, timeout=5).status_code == 403


def test_what_it_cannot_keep_is_refused(s3: Any, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    for call, arguments in (
        ("put_bucket_versioning", {"VersioningConfiguration": {"Status": "Enabled"}}),
        ("put_object", {"Key": "k", "ACL": "public-read"}),
        ("put_object", {"Key": "k", "ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2030-01-01"}),
        ("get_object", {"Key": "k", "VersionId": "1"}),
        ("get_object_acl", {"Key": "k"}),
        ("put_bucket_policy", {"Policy": "{}"}),
    ):
        with pytest.raises(ClientError, match="sandbox") as caught:
            getattr(s3, call)(Bucket=bucket, **arguments)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_bucket_of_somebody_else_s_is_not_written(s3: Any, bucket: str) -> None:
    with pytest.raises(ClientError) as caught:
        s3.put_object(Bucket=bucket, Key="k", Body=b"", ExpectedBucketOwner="999999999999")
    assert code_of(caught) == "AccessDenied"


def test_a_bucket_is_made_where_the_client_is(server: Server) -> None:
    west = server.new_client("s3", region_name="eu-west-1")
    west.create_bucket(Bucket="western", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert west.get_bucket_location(Bucket="western")["LocationConstraint"] == "eu-west-1"
    with pytest.raises(ClientError) as caught:
        west.create_bucket(Bucket="western", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    assert code_of(caught) == "BucketAlreadyOwnedByYou"


def test_a_state_of_the_earlier_layout_is_taken_over(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "s3" / "old-bucket"
    folder.mkdir(parents=True)
    (folder / ".bucket").write_text(json.dumps({"region": "us-east-1"}))
    for name in ("a/1", "b"):
        metadata = {"Content-Type": "text/odd", "x-amz-meta-k": "v"}
        head = json.dumps({"key": name, "etag": "0" * 32, "metadata": metadata})
        (folder / hashlib.sha256(name.encode()).hexdigest()).write_bytes(head.encode() + b"\n" + b"body\n" + b"more")
    server = Server(tmp_path / "state")
    try:
        for _ in range(2):
            s3 = server.client("s3")
            assert [item["Key"] for item in s3.list_objects_v2(Bucket="old-bucket")["Contents"]] == ["a/1", "b"]
            got = s3.get_object(Bucket="old-bucket", Key="a/1")
            assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"body\nmore", "text/odd", {"k": "v"})
            assert s3.get_object(Bucket="old-bucket", Key="b", Range="bytes=5-")["Body"].read() == b"more"
            server.kill()
            server.start()
    finally:
        server.kill()


def test_what_was_answered_is_there_after_a_kill_and_nothing_is_half(own_server: Server) -> None:
    s3 = own_server.client("s3")
    s3.create_bucket(Bucket="another")
    s3.put_bucket_tagging(Bucket="another", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]})
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"first")
    s3.put_object(Bucket=BUCKET, Key="k", Body=b"second", ContentType="text/odd", Metadata={"a": "b"}, Tagging="t=1")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key="large", ContentType="text/large")["UploadId"]
    place = {"Bucket": BUCKET, "Key": "large", "UploadId": upload}
    part = s3.upload_part(**place, PartNumber=1, Body=io.BytesIO(b"x" * 5 * MIB))["ETag"]
    address = urlsplit(own_server.url)
    unfinished = socket.create_connection((address.hostname, address.port))
    unfinished.sendall(f"PUT /{BUCKET}/k HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nhalf".encode())

    own_server.kill()
    own_server.start()
    unfinished.close()

    s3 = own_server.client("s3")
    got = s3.get_object(Bucket=BUCKET, Key="k")
    assert (got["Body"].read(), got["ContentType"], got["Metadata"]) == (b"second", "text/odd", {"a": "b"})
    assert s3.get_object_tagging(Bucket=BUCKET, Key="k")["TagSet"] == [{"Key": "t", "Value": "1"}]
    assert s3.get_bucket_tagging(Bucket="another")["TagSet"] == [{"Key": "k", "Value": "v"}]
    last = s3.upload_part(**place, PartNumber=2, Body=b"end")["ETag"]
    named = [{"PartNumber": 1, "ETag": part}, {"PartNumber": 2, "ETag": last}]
    s3.complete_multipart_upload(**place, MultipartUpload={"Parts": named})
    whole = s3.get_object(Bucket=BUCKET, Key="large")
    assert (whole["Body"].read(), whole["ContentType"]) == (b"x" * 5 * MIB + b"end", "text/large")
    bodies = list(Path(own_server.state, "s3", ".bodies").iterdir())
    assert len(bodies) == 2, "a body without an object, or a part of an ended upload, was left"
