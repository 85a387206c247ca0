# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Cluster asks for: its defaults, its PostgreSQL settings, and everything in it that this stand-in cannot do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from lab_operators.cloudnative_pg_object_stores import (
    BARMAN_CLOUD,
    NO_OBJECT_STORES,
    ObjectStores,
    enabled_plugins,
    plugin_mistakes,
)

LONGEST_NAME = 50
RESERVED_ROLES = ("postgres", "streaming_replica", "cnpg_operator")

#: In force unless the Cluster says otherwise.
DEFAULT_PARAMETERS = {
    # A quiet server's last changes are in the archive after this time, too.
    "archive_timeout": "5min",
    "dynamic_shared_memory_type": "posix",
    "full_page_writes": "on",
    "hot_standby": "on",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_timezone": "UTC",
    "max_parallel_workers": "32",
    "max_replication_slots": "32",
    "max_worker_processes": "32",
    "shared_memory_type": "mmap",
    "ssl_max_protocol_version": "TLSv1.3",
    "ssl_min_protocol_version": "TLSv1.3",
    "timezone": "UTC",
    "wal_keep_size": "512MB",
    "wal_level": "logical",
    "wal_log_hints": "on",
    "wal_receiver_timeout": "5s",
    "wal_sender_timeout": "5s",
}

#: Belong to the operator; a Cluster that sets one of them is refused, as the vendor's webhook does.
FIXED_PARAMETERS = frozenset(
    [
        "archive_cleanup_command",
        "archive_command",
        "archive_mode",
        "cluster_name",
        "config_file",
        "data_directory",
        "external_pid_file",
        "hba_file",
        "hot_standby",
        "ident_file",
        "listen_addresses",
        "log_destination",
        "log_directory",
        "logging_collector",
        "port",
        "primary_conninfo",
        "primary_slot_name",
        "recovery_target_action",
        "recovery_target_lsn",
        "recovery_target_name",
        "recovery_target_time",
        "recovery_target_timeline",
        "recovery_target_xid",
        "restart_after_crash",
        "restore_command",
        "shared_preload_libraries",
        "ssl",
        "ssl_ca_file",
        "ssl_cert_file",
        "ssl_key_file",
        "synchronous_standby_names",
        "unix_socket_directories",
        "unix_socket_group",
        "unix_socket_permissions",
    ]
)

#: spec.bootstrap.initdb of the Cluster, as the instance manager knows it.
INITDB_FIELDS = {
    "encoding": "encoding",
    "locale": "locale",
    "dataChecksums": "data_checksums",
    "walSegmentSize": "wal_segment_size",
    "options": "options",
    "postInitSQL": "post_init_sql",
    "postInitTemplateSQL": "post_init_template_sql",
    "postInitApplicationSQL": "post_init_application_sql",
}

Spec = Mapping[str, Any]


def first_data(spec: Spec) -> Mapping[str, Any]:
    """spec.bootstrap, whichever way the first data are made."""
    bootstrap = spec.get("bootstrap") or {}
    return bootstrap.get("recovery") or bootstrap.get("initdb") or {}


def application_database(spec: Spec) -> tuple[str, str]:
    """Name and owner of the database that the first start makes, or finds in what it recovers."""
    initdb = first_data(spec)
    database = initdb.get("database") or "app"
    return database, initdb.get("owner") or database


def application_secret_name(cluster: str, spec: Spec) -> str:
    """The Secret with the owner's password: the Cluster's own choice, or one that the operator makes."""
    initdb = first_data(spec)
    name: str = (initdb.get("secret") or {}).get("name") or f"{cluster}-app"
    return name


def instance_configuration(cluster: str, spec: Spec, stores: ObjectStores = NO_OBJECT_STORES) -> str:
    """What the instance manager reads, as canonical JSON: equal wishes are equal text."""
    postgresql = spec.get("postgresql") or {}
    database, owner = application_database(spec)
    initdb = (spec.get("bootstrap") or {}).get("initdb") or {}
    parameters = DEFAULT_PARAMETERS | dict(postgresql.get("parameters") or {})
    libraries = postgresql.get("shared_preload_libraries") or []
    if libraries:
        parameters["shared_preload_libraries"] = ",".join(libraries)
    synchronous = postgresql.get("synchronous")
    document = {
        "cluster": cluster,
        "synchronous": synchronous
        and {"number": synchronous["number"], "strict": synchronous.get("dataDurability", "required") == "required"},
        "parameters": parameters,
        "archive": stores.archive and stores.archive.as_document(),
        "recovery": stores.source
        and {
            "source": stores.source.as_document(),
            "target": (spec["bootstrap"]["recovery"]).get("recoveryTarget") or {},
        },
        "pg_hba": postgresql.get("pg_hba") or [],
        "pg_ident": postgresql.get("pg_ident") or [],
        "initdb": {"database": database, "owner": owner}
        | {ours: initdb[theirs] for theirs, ours in INITDB_FIELDS.items() if initdb.get(theirs) is not None},
    }
    return json.dumps(document, sort_keys=True, indent=1)


def configuration_digest(configuration: str) -> str:
    """The name of one version of the configuration; the instance manager computes the same."""
    return hashlib.sha256(configuration.encode()).hexdigest()


def unknown_plugins(spec: Spec) -> list[str]:
    """Plugins that the Cluster cannot do without."""
    return [plugin["name"] for plugin in enabled_plugins(spec) if plugin["name"] != BARMAN_CLOUD]


def mistakes(name: str, spec: Spec, default_image: str) -> list[str]:
    """Everything that keeps this Cluster from being what it says, one sentence each; empty when there is nothing."""
    return [*_wrong(name, spec, default_image), *plugin_mistakes(name, spec), *_beyond_the_stand_in(spec)]


def _wrong(name: str, spec: Spec, default_image: str) -> list[str]:
    found = []
    if len(name) > LONGEST_NAME:
        found.append(f"the name has {len(name)} characters, {LONGEST_NAME} are allowed")
    if not (spec.get("imageName") or default_image):
        found.append("spec.imageName is needed: the operator has no default image")
    for volume in ("storage", "walStorage"):
        wanted = spec.get(volume)
        claimed = ((((wanted or {}).get("pvcTemplate") or {}).get("resources") or {}).get("requests") or {}).get(
            "storage"
        )
        if (volume == "storage" or wanted is not None) and not ((wanted or {}).get("size") or claimed):
            found.append(f"spec.{volume}.size is needed")
    fixed = sorted(FIXED_PARAMETERS & set((spec.get("postgresql") or {}).get("parameters") or {}))
    found += [f"spec.postgresql.parameters.{parameter} is fixed by the operator" for parameter in fixed]
    instances = spec.get("instances", 1)
    synchronous = (spec.get("postgresql") or {}).get("synchronous") or {}
    if synchronous and not 0 < synchronous.get("number", 0) < instances:
        found.append(
            f"spec.postgresql.synchronous.number is {synchronous.get('number')}, "
            f"it must be at least 1 and less than spec.instances ({instances})"
        )
    roles = [role["name"] for role in (spec.get("managed") or {}).get("roles") or []]
    found += [f"spec.managed.roles names {role} twice" for role in sorted({r for r in roles if roles.count(r) > 1})]
    found += [f"spec.managed.roles: {role} is a reserved name" for role in roles if is_reserved(role)]
    found += [
        f"spec.managed.roles: {role['name']} has both passwordSecret and disablePassword"
        for role in (spec.get("managed") or {}).get("roles") or []
        if role.get("passwordSecret") and role.get("disablePassword")
    ]
    return found


def _beyond_the_stand_in(spec: Spec) -> list[str]:
    found = []
    bootstrap = spec.get("bootstrap") or {}
    initdb = bootstrap.get("initdb") or {}
    recovery = bootstrap.get("recovery") or {}
    synchronous = (spec.get("postgresql") or {}).get("synchronous") or {}
    fields = {
        "spec.postgresql.synchronous.method first": synchronous.get("method") == "first",
        "spec.postgresql.synchronous.standbyNamesPre": synchronous.get("standbyNamesPre"),
        "spec.postgresql.synchronous.standbyNamesPost": synchronous.get("standbyNamesPost"),
        "spec.imageCatalogRef": spec.get("imageCatalogRef"),
        "spec.bootstrap.recovery.backup": recovery.get("backup"),
        "spec.bootstrap.recovery.volumeSnapshots": recovery.get("volumeSnapshots"),
        "spec.bootstrap.pg_basebackup": bootstrap.get("pg_basebackup"),
        "spec.bootstrap.initdb.import": initdb.get("import"),
        "spec.bootstrap.initdb.postInitSQLRefs": initdb.get("postInitSQLRefs"),
        "spec.bootstrap.initdb.postInitTemplateSQLRefs": initdb.get("postInitTemplateSQLRefs"),
        "spec.bootstrap.initdb.postInitApplicationSQLRefs": initdb.get("postInitApplicationSQLRefs"),
        "spec.backup.barmanObjectStore": (spec.get("backup") or {}).get("barmanObjectStore"),
        "spec.replica": (spec.get("replica") or {}).get("enabled"),
        "spec.tablespaces": spec.get("tablespaces"),
        "spec.postgresql.extensions": (spec.get("postgresql") or {}).get("extensions"),
    }
    found += [f"{field} is beyond the lab's stand-in" for field, value in fields.items() if value]
    return found


def is_reserved(role: str) -> bool:
    """Whether only PostgreSQL or the operator may name a role like this."""
    return role in RESERVED_ROLES or role.startswith(("pg_", "cnpg_"))
