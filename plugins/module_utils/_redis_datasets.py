# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Export and import of a Redis Enterprise database: what its REST API is asked, and what its answers mean.

Nothing is asked here; an API is handed in.
Source: https://redis.io/docs/latest/operate/rs/references/rest-api/requests/bdbs/actions/
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass

from ansible_collections.azora.platform.plugins.module_utils._redis_backups import ACCESS_KEY, SECRET_KEY

EXPORT, IMPORT = "export", "import"
SUCCEEDED, FAILED = "succeeded", "failed"
BUSY = 409
REASONS = {
    "no-permission": "the object store refuses the keys",
    "wrong-file-path": "the bucket or the folder is not there",
    "download-error": "the file could not be fetched: its name, the keys, or the way to the object store",
    "file-corrupted": "the file is no dataset",
}

Object = t.Mapping[str, t.Any]


class DatasetError(Exception):
    """It cannot be done, or it failed; the message is one sentence for people, without its full stop."""


class RefusedError(Exception):
    """The REST API said no."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Api(t.Protocol):
    """The REST API of a cluster."""

    def ask(self, method: str, path: str, body: Object | None = None) -> dict[str, t.Any]:
        """The answer; RefusedError if there is none such."""


@dataclass(frozen=True)
class Database:
    """A database by its resource, and where its backups lie."""

    identity: str
    uid: int
    cluster: str
    keys_secret: str
    bucket: str
    subdir: str
    region: str

    @property
    def destination(self) -> str:
        return "/".join(part for part in (f"s3://{self.bucket}", self.subdir) if part)

    @classmethod
    def of(cls, identity: str, resource: Object | None) -> Database:
        """DatasetError tells what the resource lacks."""
        if resource is None:
            raise DatasetError(f"the RedisEnterpriseDatabase {identity} is not there")
        spec, status = resource["spec"], resource.get("status") or {}
        place = (spec.get("backup") or {}).get("s3")
        if not place:
            raise DatasetError(
                f"the RedisEnterpriseDatabase {identity} names no S3 service for its backups (spec.backup.s3)"
            )
        cluster = (spec.get("redisEnterpriseCluster") or {}).get("name") or status.get("redisEnterpriseCluster")
        if not status.get("databaseUID") or not cluster:
            raise DatasetError(
                f"the operator has not made the database {identity} yet: {status.get('status') or 'no status'}"
            )
        return cls(
            identity=identity,
            uid=int(status["databaseUID"]),
            cluster=str(cluster),
            keys_secret=str(place["awsSecretName"]),
            bucket=str(place["bucketName"]),
            subdir=str(place.get("subdir") or ""),
            region=str(place.get("regionName") or ""),
        )

    def location(self, keys: t.Mapping[str, str], subdir: str | None = None) -> dict[str, str]:
        """An export_location; with a filename, one of dataset_import_sources."""
        for key in (ACCESS_KEY, SECRET_KEY):
            if not keys.get(key):
                raise DatasetError(f"the Secret {self.keys_secret} of {self.identity} has no key {key}")
        place = {
            "type": "s3",
            "bucket_name": self.bucket,
            "subdir": self.subdir if subdir is None else subdir,
            "access_key_id": keys[ACCESS_KEY],
            "secret_access_key": keys[SECRET_KEY],
        }
        return {**place, "region_name": self.region} if self.region else place


@dataclass(frozen=True)
class Patience:
    """How long to wait for the end, and how often to look."""

    timeout: float
    interval: float


def key_count(api: Api, database: Database) -> int:
    """How many keys the database has, as its cluster counts them."""
    path = f"/v1/bdbs/stats/last/{database.uid}"
    try:
        figures = api.ask("GET", f"{path}?metrics=no_of_keys").get(str(database.uid)) or {}
        return int(figures["no_of_keys"])
    except (RefusedError, KeyError) as error:
        raise DatasetError(f"how many keys {database.identity} has is not known: {error}") from error


def exported(api: Api, database: Database, location: t.Mapping[str, str], patience: Patience) -> Object:
    """Write the database into files of that location; what the API says of it in the end."""
    return _done(api, database, EXPORT, {"export_location": dict(location)}, patience)


def imported(
    api: Api, database: Database, location: t.Mapping[str, str], files: t.Sequence[str], patience: Patience
) -> Object:
    """Replace the database's content by that of the files, one of each shard; what the API says of it in the end."""
    sources = [{**location, "filename": file} for file in files]
    return _done(api, database, IMPORT, {"dataset_import_sources": sources}, patience)


def _done(api: Api, database: Database, action: str, body: Object, patience: Patience) -> Object:
    asking = _Asking(api, database.identity, patience, time.monotonic() + patience.timeout)
    path = f"/v1/bdbs/{database.uid}"
    # How the last one ended would else pass for how this one does.
    asking.ask("PUT", f"{path}/actions/{action}_reset_status")
    asking.ask("POST", f"{path}/actions/{action}", body)
    while True:
        found = asking.ask("GET", path)
        status = found.get(f"{action}_status")
        if status == SUCCEEDED:
            return found
        if status == FAILED:
            reason = str(found.get(f"{action}_failure_reason") or "no reason given")
            said = f"{reason}: {REASONS[reason]}" if reason in REASONS else reason
            raise DatasetError(f"the {action} of {database.identity} failed ({said})")
        if asking.is_late:
            at = f"{status or 'not begun'}, {found.get(f'{action}_progress') or 0} %"
            raise DatasetError(f"the {action} of {database.identity} did not end in {patience.timeout:g} s ({at})")
        time.sleep(patience.interval)


@dataclass(frozen=True)
class _Asking:
    """Requests for one database, until a moment."""

    api: Api
    identity: str
    patience: Patience
    deadline: float

    @property
    def is_late(self) -> bool:
        return time.monotonic() > self.deadline

    def ask(self, method: str, path: str, body: Object | None = None) -> Object:
        """Ask, and again while the database is busy with something else."""
        while True:
            try:
                return self.api.ask(method, path, body)
            except RefusedError as error:
                if error.status != BUSY or self.is_late:
                    raise DatasetError(
                        f"Redis Enterprise refuses {method} {path} for {self.identity}: {error}"
                    ) from error
            time.sleep(self.patience.interval)
