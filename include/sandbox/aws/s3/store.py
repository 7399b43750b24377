"""Buckets, objects and multipart uploads on disk: bodies in files of their own, all else in one SQLite index.

A body is written first, under a name nobody knows; the row that names it makes the object be there. A kill at
any moment so leaves the old object or the new one, and at most a file without a row, removed at the next start.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bucket (name TEXT PRIMARY KEY, region TEXT, created REAL, tags TEXT DEFAULT '{}');
CREATE TABLE IF NOT EXISTS object (
  bucket TEXT, key TEXT, file TEXT, start INTEGER, size INTEGER, etag TEXT, modified REAL, about TEXT,
  PRIMARY KEY (bucket, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS upload (id TEXT PRIMARY KEY, bucket TEXT, key TEXT, started REAL, about TEXT);
CREATE TABLE IF NOT EXISTS part (
  upload TEXT, number INTEGER, file TEXT, size INTEGER, etag TEXT, modified REAL, checksums TEXT,
  PRIMARY KEY (upload, number)) WITHOUT ROWID;
"""
_OBJECT_FIELDS = "bucket, key, file, start, size, etag, modified, about"


class ObjectError(Exception):
    """A call that S3 would refuse: ``code`` as S3 names it, with its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Refuse with ``code`` and a text for people."""
        super().__init__(message)
        self.code = code
        self.status = status


@dataclass(frozen=True)
class About:
    """What is kept with a body: headers to give back, user metadata, tags, checksums."""

    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    checksums: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Write it down."""
        return json.dumps(vars(self))


@dataclass(frozen=True)
class Body:
    """A complete body on disk that no object names yet."""

    file: str
    size: int
    etag: str
    checksums: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StoredObject:
    """An object: its address, where its body lies, and what is known of it."""

    bucket: str
    key: str
    file: str
    start: int
    size: int
    etag: str
    modified: float
    about: About


@dataclass(frozen=True)
class Upload:
    """A multipart upload that has not ended."""

    id: str
    bucket: str
    key: str
    started: float
    about: About


@dataclass(frozen=True)
class Part:
    """A part of an upload."""

    number: int
    file: str
    size: int
    etag: str
    modified: float
    checksums: dict[str, str]


class ObjectStore:
    """All buckets of the account. Safe to use from many threads."""

    def __init__(self, root: Path) -> None:
        """Keep everything under ``root``, and take over what an earlier layout left there."""
        self._bodies = root / ".bodies"
        self._bodies.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(root / ".index.sqlite", check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        # A kill of the process loses nothing at this level; a power cut may lose the last writes.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._take_over_files(root)
        self._remove_orphans()

    # Buckets

    def create_bucket(self, name: str, region: str) -> bool:
        """Make a bucket; False where it is there already."""
        with self._change() as db:
            sql = "INSERT OR IGNORE INTO bucket (name, region, created) VALUES (?, ?, ?)"
            return db.execute(sql, (name, region, time.time())).rowcount == 1

    def buckets(self) -> list[tuple[str, str, float]]:
        """Return name, region and time of making of each bucket."""
        with self._lock:
            return self._db.execute("SELECT name, region, created FROM bucket ORDER BY name").fetchall()

    def region(self, bucket: str) -> str:
        """Return a bucket's region; ObjectError where there is no such bucket."""
        with self._lock:
            row = self._db.execute("SELECT region FROM bucket WHERE name = ?", (bucket,)).fetchone()
        if row is None:
            raise ObjectError("NoSuchBucket", f"The specified bucket does not exist: {bucket}", 404)
        return str(row[0])

    def bucket_tags(self, bucket: str) -> dict[str, str]:
        """Return a bucket's tags."""
        self.region(bucket)
        with self._lock:
            row = self._db.execute("SELECT tags FROM bucket WHERE name = ?", (bucket,)).fetchone()
        return dict(json.loads(row[0]))

    def set_bucket_tags(self, bucket: str, tags: dict[str, str]) -> None:
        """Replace a bucket's tags."""
        self.region(bucket)
        with self._change() as db:
            db.execute("UPDATE bucket SET tags = ? WHERE name = ?", (json.dumps(tags), bucket))

    def delete_bucket(self, bucket: str) -> None:
        """Remove an empty bucket."""
        self.region(bucket)
        with self._change() as db:
            if db.execute("SELECT 1 FROM object WHERE bucket = ? LIMIT 1", (bucket,)).fetchone():
                raise ObjectError("BucketNotEmpty", f"The bucket you tried to delete is not empty: {bucket}", 409)
            for upload in self.uploads(bucket):
                self.end_upload(upload)
            db.execute("DELETE FROM bucket WHERE name = ?", (bucket,))

    # Bodies and objects

    @contextmanager
    def draft(self) -> Iterator[tuple[str, BinaryIO]]:
        """Open a new body for writing; it is removed again when the block fails."""
        name = secrets.token_hex(16)
        path = self._bodies / name
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as handle:
                yield name, handle
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def put(
        self, bucket: str, key: str, body: Body, about: About, check: Callable[[StoredObject | None], None]
    ) -> None:
        """Make ``body`` the object's, if ``check`` lets the present one (or None) be replaced."""
        try:
            with self._change() as db:
                self.region(bucket)
                old = self._find(bucket, key)
                check(old)
                self._insert(db, bucket, key, body, about)
        except BaseException:
            self._unlink(body.file)
            raise
        if old:
            self._unlink(old.file)

    def get(self, bucket: str, key: str) -> StoredObject:
        """Return an object; ObjectError where bucket or object is missing."""
        self.region(bucket)
        with self._lock:
            found = self._find(bucket, key)
        if found is None:
            raise ObjectError("NoSuchKey", f"The specified key does not exist: s3://{bucket}/{key}", 404)
        return found

    def open(self, bucket: str, key: str) -> tuple[StoredObject, BinaryIO]:
        """Return an object and its body, read from the start; both stay the same when the object is replaced."""
        with self._lock:
            found = self.get(bucket, key)
            handle = (self._bodies / found.file).open("rb")
        handle.seek(found.start)
        return found, handle

    def set_tags(self, bucket: str, key: str, tags: dict[str, str]) -> None:
        """Replace an object's tags."""
        with self._change() as db:
            about = self.get(bucket, key).about
            changed = About(about.headers, about.metadata, tags, about.checksums).to_json()
            db.execute("UPDATE object SET about = ? WHERE bucket = ? AND key = ?", (changed, bucket, key))

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object, if it is there."""
        with self._change() as db:
            self.region(bucket)
            old = self._find(bucket, key)
            db.execute("DELETE FROM object WHERE bucket = ? AND key = ?", (bucket, key))
        if old:
            self._unlink(old.file)

    def list_objects(self, bucket: str, prefix: str, after: str = "") -> Iterator[StoredObject]:
        """Give the objects whose keys begin with ``prefix`` and come behind ``after``, in S3's order."""
        self.region(bucket)
        sql = f"SELECT {_OBJECT_FIELDS} FROM object WHERE bucket = ? AND key {{}} ? ORDER BY key LIMIT 1000"
        last, comparison = (after, ">") if after > prefix else (prefix, ">=")
        while True:
            with self._lock:
                rows = self._db.execute(sql.format(comparison), (bucket, last)).fetchall()
            for row in rows:
                if not row[1].startswith(prefix):
                    return
                yield _object(row)
            if len(rows) < 1000:
                return
            last, comparison = rows[-1][1], ">"

    # Multipart uploads

    def start_upload(self, bucket: str, key: str, about: About) -> str:
        """Begin an upload and return its id."""
        self.region(bucket)
        identifier = secrets.token_urlsafe(32)
        with self._change() as db:
            row = (identifier, bucket, key, time.time(), about.to_json())
            db.execute("INSERT INTO upload VALUES (?, ?, ?, ?, ?)", row)
        return identifier

    def upload(self, identifier: str, bucket: str, key: str) -> Upload:
        """Return an upload; ObjectError where there is none such."""
        with self._lock:
            sql = "SELECT id, bucket, key, started, about FROM upload WHERE id = ? AND bucket = ? AND key = ?"
            row = self._db.execute(sql, (identifier, bucket, key)).fetchone()
        if row is None:
            raise ObjectError("NoSuchUpload", "The specified multipart upload does not exist; it may have ended.", 404)
        return _upload(row)

    def uploads(self, bucket: str) -> list[Upload]:
        """Return the uploads of a bucket that have not ended."""
        self.region(bucket)
        with self._lock:
            sql = "SELECT id, bucket, key, started, about FROM upload WHERE bucket = ? ORDER BY key, started"
            return [_upload(row) for row in self._db.execute(sql, (bucket,))]

    def put_part(self, upload: Upload, number: int, body: Body) -> None:
        """Add or replace a part."""
        try:
            with self._change() as db:
                self.upload(upload.id, upload.bucket, upload.key)
                old = [part for part in self.parts(upload) if part.number == number]
                row = (upload.id, number, body.file, body.size, body.etag, time.time(), json.dumps(body.checksums))
                db.execute("INSERT OR REPLACE INTO part VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        except BaseException:
            self._unlink(body.file)
            raise
        self._unlink(*(part.file for part in old))

    def parts(self, upload: Upload) -> list[Part]:
        """Return the parts that have arrived, by number."""
        sql = "SELECT number, file, size, etag, modified, checksums FROM part WHERE upload = ? ORDER BY number"
        with self._lock:
            return [Part(*row[:5], json.loads(row[5])) for row in self._db.execute(sql, (upload.id,))]

    def open_part(self, part: Part) -> BinaryIO:
        """Open a part's body."""
        return (self._bodies / part.file).open("rb")

    def complete(self, upload: Upload, body: Body, about: About, check: Callable[[StoredObject | None], None]) -> None:
        """Make ``body`` the object and end the upload, in one step."""
        parts = self.parts(upload)
        try:
            with self._change() as db:
                self.upload(upload.id, upload.bucket, upload.key)
                old = self._find(upload.bucket, upload.key)
                check(old)
                self._insert(db, upload.bucket, upload.key, body, about)
                db.execute("DELETE FROM part WHERE upload = ?", (upload.id,))
                db.execute("DELETE FROM upload WHERE id = ?", (upload.id,))
        except BaseException:
            self._unlink(body.file)
            raise
        self._unlink(*(part.file for part in parts), *([old.file] if old else []))

    def end_upload(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        parts = self.parts(upload)
        with self._change() as db:
            db.execute("DELETE FROM part WHERE upload = ?", (upload.id,))
            db.execute("DELETE FROM upload WHERE id = ?", (upload.id,))
        self._unlink(*(part.file for part in parts))

    # Inside

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction; a block within a block belongs to the outer one."""
        with self._lock:
            if self._db.in_transaction:
                yield self._db
                return
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _find(self, bucket: str, key: str) -> StoredObject | None:
        sql = f"SELECT {_OBJECT_FIELDS} FROM object WHERE bucket = ? AND key = ?"
        row = self._db.execute(sql, (bucket, key)).fetchone()
        return _object(row) if row else None

    def _insert(self, db: sqlite3.Connection, bucket: str, key: str, body: Body, about: About, start: int = 0) -> None:
        row = (bucket, key, body.file, start, body.size, body.etag, time.time(), about.to_json())
        db.execute(f"INSERT OR REPLACE INTO object ({_OBJECT_FIELDS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)

    def _unlink(self, *names: str) -> None:
        for name in names:
            (self._bodies / name).unlink(missing_ok=True)

    def _remove_orphans(self) -> None:
        named = {row[0] for row in self._db.execute("SELECT file FROM object UNION SELECT file FROM part")}
        self._unlink(*(path.name for path in self._bodies.iterdir() if path.name not in named))

    def _take_over_files(self, root: Path) -> None:
        """Bring in the earlier layout: a directory a bucket, in each file a line of JSON and then the body."""
        for marker in sorted(root.glob("*/.bucket")):
            folder = marker.parent
            with self._change() as db:
                self.create_bucket(folder.name, json.loads(marker.read_text())["region"])
                for path in folder.iterdir():
                    if not path.name.startswith("."):
                        self._take_over_file(db, folder.name, path)
            shutil.rmtree(folder)

    def _take_over_file(self, db: sqlite3.Connection, bucket: str, path: Path) -> None:
        with path.open("rb") as handle:
            head = handle.readline()
        record = json.loads(head)
        name = secrets.token_hex(16)
        os.link(path, self._bodies / name)
        body = Body(name, path.stat().st_size - len(head), record["etag"])
        kept = {key.lower(): value for key, value in record["metadata"].items()}
        metadata = {k.removeprefix("x-amz-meta-"): v for k, v in kept.items() if k.startswith("x-amz-meta-")}
        headers = {k: v for k, v in kept.items() if not k.startswith("x-amz-")}
        self._insert(db, bucket, record["key"], body, About(headers, metadata), start=len(head))


def _object(row: tuple[Any, ...]) -> StoredObject:
    return StoredObject(*row[:7], about=About(**json.loads(row[7])))


def _upload(row: tuple[Any, ...]) -> Upload:
    return Upload(*row[:4], about=About(**json.loads(row[4])))
