"""One S3 request as its handlers see it, and the answers they give."""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

from moto.core.request import Request
from werkzeug import Response

from include.sandbox.aws.s3.store import About, ObjectError, ObjectStore

OWNER = {"ID": "sandbox", "DisplayName": "sandbox"}
_LARGEST_DOCUMENT = 2 << 20
# Given back with the object as they came.
_KEPT_HEADERS = (
    "content-type",
    "content-disposition",
    "content-language",
    "content-encoding",
    "cache-control",
    "expires",
    "x-amz-storage-class",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
)


@dataclass(frozen=True)
class Call:
    """A request, taken apart."""

    store: ObjectStore
    request: Request
    region: str
    bucket: str
    key: str

    def word(self, name: str, default: str = "") -> str:
        """Return a word of the query."""
        return self.request.args.get(name, default)

    def header(self, name: str) -> str | None:
        """Return a header."""
        return self.request.headers.get(name)

    def number(self, name: str, default: int, largest: int) -> int:
        """Return a number of the query, at most ``largest``."""
        text = self.word(name) or str(default)
        if not text.isdigit():
            raise ObjectError("InvalidArgument", f"Argument {name} must be a whole number, not {text!r}.")
        return min(int(text), largest)

    def document(self) -> ET.Element:
        """Return the XML of the request's body, without namespaces."""
        if (self.request.content_length or 0) > _LARGEST_DOCUMENT:
            raise ObjectError("MalformedXML", f"The XML you provided is longer than {_LARGEST_DOCUMENT} bytes.")
        try:
            root = ET.fromstring(self.request.get_data())  # noqa: S314 (its size is bounded; expat bounds entities)
        except ET.ParseError as error:
            raise ObjectError("MalformedXML", f"The XML you provided was not well-formed: {error}") from None
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        return root

    def about(self) -> About:
        """Return what the request's headers say of an object to be."""
        headers = {name: self.request.headers[name] for name in _KEPT_HEADERS if name in self.request.headers}
        encodings = [item.strip() for item in headers.pop("content-encoding", "").split(",")]
        encoding = ",".join(item for item in encodings if item and item != "aws-chunked")
        if encoding:
            headers["content-encoding"] = encoding
        prefix = "x-amz-meta-"
        metadata = {
            name.lower().removeprefix(prefix): value
            for name, value in self.request.headers.items()
            if name.lower().startswith(prefix)
        }
        tags = dict(parse_qsl(self.header("x-amz-tagging") or "", keep_blank_values=True))
        return About(headers={"content-type": "binary/octet-stream"} | headers, metadata=metadata, tags=tags)


def xml(root: str, content: dict[str, Any], headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """Answer with a document; lists become repeated elements, None is left out."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    body += _elements(content) + f"</{root}>"
    return Response(body, status, headers, content_type="application/xml")


def empty(headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """Answer without a body."""
    return Response(None, status, headers)


def iso(moment: float) -> str:
    """Write a time as documents have it."""
    return dt.datetime.fromtimestamp(moment, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def http_date(moment: float) -> str:
    """Write a time as headers have it."""
    return format_datetime(dt.datetime.fromtimestamp(moment, dt.UTC), usegmt=True)


def tag_set(tags: dict[str, str]) -> Response:
    """Answer with tags."""
    return xml("Tagging", {"TagSet": {"Tag": [{"Key": k, "Value": v} for k, v in sorted(tags.items())]}})


def read_tags(call: Call, most: int) -> dict[str, str]:
    """Return the tags in a Tagging document."""
    tags = {tag.findtext("Key", ""): tag.findtext("Value", "") for tag in call.document().iter("Tag")}
    if len(tags) > most:
        raise ObjectError("InvalidTag", f"There are {len(tags)} tags; at most {most} are allowed.")
    return tags


def encode(name: str, encoding: str) -> str:
    """Write a key as the listing's encoding-type asks."""
    return quote(name, safe="/") if encoding == "url" else name


def _elements(content: Any) -> str:
    if not isinstance(content, dict):
        return escape(str(content), {"\r": "&#13;"})
    text = ""
    for name, value in content.items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                text += f"<{name}>{_elements(item)}</{name}>"
    return text
