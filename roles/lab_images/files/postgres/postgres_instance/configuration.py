# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operator says about the server, and what follows from it for every member."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postgres_instance.object_store import ObjectStore

#: Role that the operator uses; it can log in with a certificate of the cluster's authority only.
OPERATOR_ROLE = "cnpg_operator"
REPLICATION_ROLE = "streaming_replica"
#: Always on, so that an archive that comes later needs no restart.
ARCHIVE_COMMAND = "python3 -m postgres_instance.wal_transfer archive %p"


@dataclass(frozen=True)
class Places:
    """Where things are in the pod."""

    data: Path = Path("/var/lib/postgresql/data/pgdata")
    wal_volume: Path = Path("/var/lib/postgresql/wal")
    sockets: Path = Path("/controller/run")
    certificates: Path = Path("/controller/certificates")
    configuration: Path = Path("/controller/configuration/instance.json")
    patroni: Path = Path("/controller/run/patroni.yml")
    termination_message: Path = Path("/dev/termination-log")
    #: What the archive and restore commands read.
    object_stores: Path = Path("/controller/run/object-stores.json")
    archive_credentials: Path = Path("/controller/object-stores/archive")
    source_credentials: Path = Path("/controller/object-stores/source")
    #: Why the last file of the log is not in the archive; absent when it is.
    archive_failure: Path = Path("/controller/run/archive-failure")

    @property
    def wal(self) -> Path | None:
        """The folder for the write-ahead log on a volume of its own, when there is one."""
        return self.wal_volume / "pg_wal" if self.wal_volume.is_dir() else None

    @property
    def unfinished_data(self) -> Path:
        return self.data.with_name(self.data.name + ".unfinished")

    @property
    def empty_archive_check(self) -> Path:
        """There as long as nobody has looked whether the archive of this new cluster is another one's."""
        return self.data.with_name("check-empty-archive")

    @property
    def has_data(self) -> bool:
        return (self.data / "PG_VERSION").exists()


@dataclass(frozen=True)
class Initdb:
    """How the first data are made."""

    database: str = "app"
    owner: str = "app"
    encoding: str = "UTF8"
    locale: str = "C"
    data_checksums: bool = True
    wal_segment_size: int | None = None
    options: list[str] = field(default_factory=list)
    post_init_sql: list[str] = field(default_factory=list)
    post_init_template_sql: list[str] = field(default_factory=list)
    post_init_application_sql: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Synchronous:
    """On how many standbys an answered commit stands, and whether writes wait while there are fewer."""

    number: int
    strict: bool


@dataclass(frozen=True)
class Recovery:
    """Which data the first ones are, and up to which moment: spec.bootstrap.recovery.recoveryTarget as it is."""

    source: ObjectStore
    target: dict[str, Any]


@dataclass(frozen=True)
class InstanceConfiguration:
    """One version of the operator's wishes."""

    cluster: str
    digest: str
    parameters: dict[str, str]
    pg_hba: list[str]
    pg_ident: list[str]
    initdb: Initdb
    synchronous: Synchronous | None = None
    archive: ObjectStore | None = None
    recovery: Recovery | None = None

    @classmethod
    def parse(cls, text: str) -> InstanceConfiguration:
        """Read the operator's JSON; the digest of its text names this version."""
        document: dict[str, Any] = json.loads(text)
        recovery = document.get("recovery")
        return cls(
            cluster=document["cluster"],
            digest=hashlib.sha256(text.encode()).hexdigest(),
            parameters={str(name): str(value) for name, value in document.get("parameters", {}).items()},
            pg_hba=list(document.get("pg_hba", [])),
            pg_ident=list(document.get("pg_ident", [])),
            initdb=Initdb(**document.get("initdb", {})),
            synchronous=Synchronous(**document["synchronous"]) if document.get("synchronous") else None,
            archive=ObjectStore.parse(document.get("archive")),
            recovery=Recovery(ObjectStore(**recovery["source"]), recovery["target"]) if recovery else None,
        )


def fixed_parameters(configuration: InstanceConfiguration, places: Places) -> dict[str, str]:
    """What no Cluster can set."""
    certificates = places.certificates
    return {
        "archive_mode": "on",
        "archive_command": ARCHIVE_COMMAND if configuration.archive else "/bin/true",
        "cluster_name": configuration.cluster,
        "listen_addresses": "*",
        "port": "5432",
        "unix_socket_directories": str(places.sockets),
        "ssl": "on",
        "ssl_ca_file": str(certificates / "ca.crt"),
        "ssl_cert_file": str(certificates / "tls.crt"),
        "ssl_key_file": str(certificates / "tls.key"),
    }


def hba_rules(configuration: InstanceConfiguration) -> list[str]:
    """Certificates for the operator and for replication, then the cluster's own rules, then passwords."""
    return [
        "local all all peer map=local",
        f"hostssl all {OPERATOR_ROLE} all cert",
        f"hostssl postgres,replication {REPLICATION_ROLE} all cert",
        f"host all {OPERATOR_ROLE},{REPLICATION_ROLE} all reject",
        *configuration.pg_hba,
        "host all all all scram-sha-256",
    ]


def ident_rules(configuration: InstanceConfiguration) -> list[str]:
    """The account of the instance manager is the superuser, on the local socket only."""
    return ["local postgres postgres", *configuration.pg_ident]
