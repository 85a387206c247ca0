# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Backups of databases: the spec as requests to the cluster's REST API, and what the status tells of them. No input or output."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]

DEFAULT_INTERVAL = 86400
ACCESS_KEY, SECRET_KEY, AUTHORITY = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "cert"
#: Where a node finds the authority of the S3 service, as its setting s3_ca_cert says it.
AUTHORITY_DIRECTORY = "/etc/redis-node/s3"
AUTHORITY_VOLUME = "s3-ca"
OTHER_PLACES = ("ftp", "abs", "swift", "sftp", "gcs", "mount")
#: Field of the status: attribute of the REST API.
INFORMATION = {
    "backupInterval": "backup_interval",
    "backupStatus": "backup_status",
    "backupProgressPercentage": "backup_progress",
    "backupFailureReason": "backup_failure_reason",
    "lastBackupTime": "last_backup_time",
}


def cluster_backup_mistakes(cluster: Manifest) -> list[str]:
    url = _service(cluster).get("url")
    return [] if not url or str(url).startswith("https://") else [f"spec.backup.s3.url: {url!r} is not https"]


def database_backup_mistakes(database: Manifest) -> list[str]:
    backup = database["spec"].get("backup")
    if not backup:
        return []
    mistakes = [f"spec.backup.{place}: this stand-in knows s3 only" for place in OTHER_PLACES if backup.get(place)]
    if backup.get("intervalOffset"):
        mistakes.append("spec.backup.intervalOffset: this stand-in does not support it")
    if not backup.get("s3"):
        mistakes.append("spec.backup.s3: is missing")
    return mistakes


def cluster_backup_changes(cluster: Manifest, current: Manifest) -> Manifest:
    """Where the S3 service is, for all databases of the cluster, as far as the cluster does not know it yet."""
    service = _service(cluster)
    authority = f"{AUTHORITY_DIRECTORY}/{AUTHORITY}" if service.get("caCertificateSecretName") else ""
    wanted = {"s3_url": str(service.get("url") or ""), "s3_ca_cert": authority}
    return {key: value for key, value in wanted.items() if (current.get(key) or "") != value}


def authority_volumes(cluster: Manifest) -> list[Manifest]:
    name = _service(cluster).get("caCertificateSecretName")
    if not name:
        return []
    items = [{"key": AUTHORITY, "path": AUTHORITY}]
    return [{"name": AUTHORITY_VOLUME, "secret": {"secretName": name, "optional": True, "items": items}}]


def authority_mounts(cluster: Manifest) -> list[Manifest]:
    if not authority_volumes(cluster):
        return []
    return [{"name": AUTHORITY_VOLUME, "mountPath": AUTHORITY_DIRECTORY, "readOnly": True}]


def keys_secret_name(database: Manifest) -> str | None:
    """The Secret with the keys of the object store."""
    backup = database["spec"].get("backup")
    return str(backup["s3"]["awsSecretName"]) if backup else None


def database_backup_request(database: Manifest, keys: dict[str, str]) -> Manifest:
    """What the REST API is asked for; an empty location where there are no backups."""
    backup = database["spec"].get("backup")
    if not backup:
        return {"backup": False}
    place = backup["s3"]
    location = {
        "type": "s3",
        "bucket_name": place["bucketName"],
        "subdir": place.get("subdir", ""),
        "region_name": place.get("regionName", ""),
        "access_key_id": keys[ACCESS_KEY],
        "secret_access_key": keys[SECRET_KEY],
    }
    return {
        "backup": True,
        "backup_interval": int(backup.get("interval", DEFAULT_INTERVAL)),
        "backup_location": location,
    }


def backup_information(bdb: Manifest) -> Manifest | None:
    """The status field backupInfo; none for a database without backups."""
    if not bdb.get("backup"):
        return None
    return {field: bdb[attribute] for field, attribute in INFORMATION.items() if bdb.get(attribute) is not None}


def is_backing_up(bdb: Manifest) -> bool:
    """Whether there will be news of its backup soon: one is made, or one that failed will be tried again."""
    return bool(bdb.get("backup")) and bdb.get("backup_status") != "succeeded"


def _service(cluster: Manifest) -> Manifest:
    return (cluster["spec"].get("backup") or {}).get("s3") or {}
