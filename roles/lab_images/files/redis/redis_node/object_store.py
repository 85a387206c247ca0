# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of an S3 service: one is put, one is fetched; requests are signed as version 4 of Amazon's signatures wants it."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import shutil
import ssl
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from redis_node.database import RequestError

TIMEOUT = 30.0
DEFAULT_REGION = "us-east-1"
#: The reasons that the vendor's API knows.
NO_PERMISSION, WRONG_PATH, GENERAL = "no-permission", "wrong-file-path", "general-error"
REASONS = {401: NO_PERMISSION, 403: NO_PERMISSION, 404: WRONG_PATH}
EMPTY = hashlib.sha256(b"").hexdigest()


class ObjectStoreError(Exception):
    """The service refused or did not answer; `reason` is the vendor's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Service:
    """Where the S3 service is: the settings s3_url and s3_ca_cert of the cluster."""

    url: str = ""
    #: A file; while it is not there the authorities of the system hold.
    authority: str = ""

    def endpoint(self, region: str) -> urllib.parse.SplitResult:
        return urllib.parse.urlsplit(self.url or f"https://s3.{region}.amazonaws.com")

    def context(self) -> ssl.SSLContext:
        given = bool(self.authority) and Path(self.authority).exists()
        return ssl.create_default_context(cafile=self.authority if given else None)


@dataclass(frozen=True)
class Location:
    """A folder of a bucket, and the keys that open it; named as in the REST API."""

    bucket_name: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    subdir: str = ""
    region_name: str = ""

    @classmethod
    def from_request(cls, body: Any) -> Location:
        """A backup_location, an export_location, or one of dataset_import_sources."""
        if not isinstance(body, Mapping) or body.get("type") != "s3":
            kind = body.get("type") if isinstance(body, Mapping) else body
            raise RequestError(400, "invalid_schema", f"location of type {kind!r}: this node knows s3 only")
        for key in ("bucket_name", "access_key_id", "secret_access_key"):
            if not body.get(key):
                raise RequestError(400, "missing_fields", f"{key} of the location is missing")
        return cls(**{key: str(body.get(key) or "") for key in cls.__dataclass_fields__})

    @property
    def region(self) -> str:
        return self.region_name or DEFAULT_REGION

    def path(self, name: str) -> str:
        parts = [self.bucket_name, *(part for part in self.subdir.split("/") if part), name]
        return "/" + "/".join(urllib.parse.quote(part, safe="-_.~") for part in parts)


def put(service: Service, location: Location, name: str, file: Path) -> None:
    """Store a file under that name."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    with file.open("rb") as content:
        connection, headers = _prepared(service, location, "PUT", name, digest)
        try:
            length = {"Content-Length": str(file.stat().st_size)}
            connection.request("PUT", location.path(name), body=content, headers={**headers, **length})
            _checked(connection.getresponse(), f"{location.bucket_name}: {name}")
        except (OSError, http.client.HTTPException) as error:
            raise ObjectStoreError(GENERAL, f"{name} was not stored: {error}") from error
        finally:
            connection.close()


def fetch(service: Service, location: Location, name: str, file: Path) -> None:
    """Write the object of that name into a file."""
    connection, headers = _prepared(service, location, "GET", name, EMPTY)
    try:
        connection.request("GET", location.path(name), headers=headers)
        response = connection.getresponse()
        if response.status != http.client.OK:
            _checked(response, f"{location.bucket_name}: {name}")
        with file.open("wb") as content:
            shutil.copyfileobj(response, content)
    except (OSError, http.client.HTTPException) as error:
        raise ObjectStoreError(GENERAL, f"{name} was not fetched: {error}") from error
    finally:
        connection.close()


def _prepared(
    service: Service, location: Location, method: str, name: str, digest: str
) -> tuple[http.client.HTTPSConnection, dict[str, str]]:
    endpoint = service.endpoint(location.region)
    if endpoint.scheme != "https" or not endpoint.hostname:
        raise ObjectStoreError(GENERAL, f"s3_url {service.url!r}: must begin with https://")
    try:
        context = service.context()
    except (OSError, ssl.SSLError) as error:
        raise ObjectStoreError(GENERAL, f"s3_ca_cert {service.authority}: {error}") from error
    connection = http.client.HTTPSConnection(endpoint.hostname, endpoint.port, timeout=TIMEOUT, context=context)
    now = datetime.now(UTC)
    headers = {"host": endpoint.netloc, "x-amz-content-sha256": digest, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}"}
    return connection, {**headers, "Authorization": authorization(location, method, location.path(name), headers)}


def authorization(location: Location, method: str, path: str, headers: Mapping[str, str]) -> str:
    """The signature (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html)."""
    moment, digest = headers["x-amz-date"], headers["x-amz-content-sha256"]
    names = ";".join(sorted(headers))
    canonical = [method, path, "", *(f"{name}:{headers[name]}" for name in sorted(headers)), "", names, digest]
    scope = f"{moment[:8]}/{location.region}/s3/aws4_request"
    hashed = hashlib.sha256("\n".join(canonical).encode()).hexdigest()
    key = b"AWS4" + location.secret_access_key.encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signed = hmac.new(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashed}".encode(), "sha256").hexdigest()
    credential = f"Credential={location.access_key_id}/{scope}"
    return f"AWS4-HMAC-SHA256 {credential}, SignedHeaders={names}, Signature={signed}"


def _checked(response: http.client.HTTPResponse, what: str) -> None:
    said = response.read(2000).decode(errors="replace")
    if response.status not in (http.client.OK, http.client.NO_CONTENT):
        code = said.partition("<Code>")[2].partition("</Code>")[0] or response.reason
        raise ObjectStoreError(REASONS.get(response.status, GENERAL), f"{what}: {response.status} {code}")
