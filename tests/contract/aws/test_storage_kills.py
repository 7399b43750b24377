"""S3 of the sandbox when it is killed in the middle of writes: what was answered is there, and nothing is half."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from .support import BUCKET, Server

WRITERS, KEYS, ROUNDS = 3, 2, 3
PART = 5 << 20


def body_of(writer: int, number: int) -> bytes:
    """A body of its own for each write, up to a megabyte long."""
    return f"{writer}/{number};".encode() * (1 + number * 7919 % 200_000 // 2)


class Writer(threading.Thread):
    """Replaces the same few objects again and again, and notes what has been answered."""

    def __init__(self, s3: Any, writer: int, first: int) -> None:
        super().__init__()
        self._s3, self._writer, self.tried = s3, writer, first
        self.answered: dict[str, int] = {}

    def run(self) -> None:
        try:
            while True:
                self.tried += 1
                key = f"{self._writer}/{self.tried % KEYS}"
                self._s3.put_object(Bucket=BUCKET, Key=key, Body=body_of(self._writer, self.tried))
                self.answered[key] = self.tried
        except (BotoCoreError, ClientError):
            return


def test_a_kill_in_the_middle_of_writes_loses_nothing_that_was_answered(own_server: Server) -> None:
    answered: dict[str, int] = {}
    first = [0] * WRITERS
    for round_ in range(ROUNDS):
        writers = [Writer(own_server.new_client("s3"), number, first[number]) for number in range(WRITERS)]
        for writer in writers:
            writer.start()
        while sum(len(writer.answered) for writer in writers) < 2 + round_:
            threading.Event().wait(0.01)
        own_server.kill()
        for writer in writers:
            writer.join()
            answered |= writer.answered
        own_server.start()
        s3 = own_server.client("s3")
        for key, number in answered.items():
            writer = int(key[0])
            last = writers[writer].tried
            candidates = [number, last] if last % KEYS == int(key[2]) else [number]
            kept = s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            assert kept in [body_of(writer, candidate) for candidate in candidates], f"{key} after kill {round_}"
        first = [writer.tried for writer in writers]
        named = s3.list_objects_v2(Bucket=BUCKET)["KeyCount"]
        assert len(list(Path(own_server.state, "s3", ".bodies").iterdir())) == named


def test_a_kill_while_parts_are_joined_leaves_the_upload_or_the_object(own_server: Server) -> None:
    s3 = own_server.new_client("s3")
    place = {"Bucket": BUCKET, "Key": "large"}
    place["UploadId"] = s3.create_multipart_upload(**place)["UploadId"]
    bodies = [bytes([number]) * PART for number in range(6)]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**place, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]

    def join() -> None:
        try:
            own_server.new_client("s3").complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        except (BotoCoreError, ClientError):
            return

    joining = threading.Thread(target=join)
    joining.start()
    folder = Path(own_server.state, "s3", ".bodies")
    while joining.is_alive() and len(list(folder.iterdir())) == len(parts):
        pass
    own_server.kill()
    joining.join()
    own_server.start()
    s3 = own_server.client("s3")
    if s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads"):
        s3.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
    assert s3.get_object(Bucket=BUCKET, Key="large")["Body"].read() == b"".join(bodies)
