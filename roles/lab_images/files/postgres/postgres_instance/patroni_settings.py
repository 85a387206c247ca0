# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Patroni is told: who this member is, where it keeps the cluster's state, and how its server runs.

Patroni elects the primary, has the others follow it, rewinds what was primary before, and labels the pods by their role, which
is what the Services -rw and -ro select by. Source: https://patroni.readthedocs.io/en/latest/patroni_configuration.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postgres_instance.configuration import (
    REPLICATION_ROLE,
    InstanceConfiguration,
    Places,
    fixed_parameters,
    hba_rules,
    ident_rules,
)

#: The instance manager's own endpoint, which hands Patroni's questions on to it.
STATUS_PORT = 8000
PATRONI_PORT = 8008
POSTGRES_PORT = 5432
CLUSTER_LABEL = "cnpg.io/cluster"
ROLE_LABEL = "cnpg.io/instanceRole"
# Seconds. A leader that does not renew its lock for TTL is replaced; Patroni takes none shorter, and it must hold two attempts.
TTL, LOOP_WAIT, RETRY_TIMEOUT = 20, 5, 5
#: The same on all members, or a standby refuses to start; Patroni takes them from the cluster's state only
#: (https://patroni.readthedocs.io/en/latest/patroni_configuration.html#important-rules).
SHARED_PARAMETERS = frozenset(
    {
        "max_connections",
        "max_locks_per_transaction",
        "max_prepared_transactions",
        "max_replication_slots",
        "max_wal_senders",
        "max_worker_processes",
        "track_commit_timestamp",
        "wal_keep_size",
        "wal_level",
        "wal_log_hints",
    }
)
#: Patroni sets these itself.
OWN_PARAMETERS = frozenset({"cluster_name", "hot_standby", "listen_addresses", "port"})


@dataclass(frozen=True)
class Member:
    """The pod that this process runs in."""

    name: str
    namespace: str
    address: str

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Member:
        return cls(environment["POD_NAME"], environment["NAMESPACE"], environment["POD_IP"])


def cluster_state(configuration: InstanceConfiguration) -> dict[str, Any]:
    """What holds for all members; the first one writes it down, later changes go through Patroni's API."""
    shared = {name: value for name, value in configuration.parameters.items() if name in SHARED_PARAMETERS}
    synchronous = configuration.synchronous
    return {
        "ttl": TTL,
        "loop_wait": LOOP_WAIT,
        "retry_timeout": RETRY_TIMEOUT,
        # Without the API server the primary goes on as long as it reaches every other member.
        "failsafe_mode": True,
        "synchronous_mode": "quorum" if synchronous else False,
        "synchronous_mode_strict": bool(synchronous and synchronous.strict),
        "synchronous_node_count": synchronous.number if synchronous else 1,
        "postgresql": {"use_pg_rewind": True, "use_slots": True, "parameters": shared},
    }


def patroni_settings(configuration: InstanceConfiguration, places: Places, member: Member) -> dict[str, Any]:
    """The whole of patroni.yml."""
    certificates = places.certificates
    parameters = {
        name: value
        for name, value in (configuration.parameters | fixed_parameters(configuration, places)).items()
        if name not in SHARED_PARAMETERS | OWN_PARAMETERS
    }
    replication = {
        "username": REPLICATION_ROLE,
        "sslmode": "verify-ca",
        "sslrootcert": str(certificates / "ca.crt"),
        "sslcert": str(certificates / "replication.crt"),
        "sslkey": str(certificates / "replication.key"),
    }
    return {
        "scope": configuration.cluster,
        "name": member.name,
        "kubernetes": {
            "namespace": member.namespace,
            "labels": {"cnpg.io/podRole": "instance"},
            "scope_label": CLUSTER_LABEL,
            "role_label": ROLE_LABEL,
            "leader_label_value": "primary",
            "standby_leader_label_value": "primary",
            "follower_label_value": "replica",
            "pod_ip": member.address,
            "ports": [{"name": "postgresql", "port": POSTGRES_PORT}],
        },
        "restapi": {
            "listen": f"127.0.0.1:{PATRONI_PORT}",
            # The others ask there; between instances only this port and PostgreSQL's are open, as the vendor's are.
            "connect_address": f"{member.address}:{STATUS_PORT}",
            "certfile": str(certificates / "tls.crt"),
            "keyfile": str(certificates / "tls.key"),
        },
        # With a client's certificate, "insecure" leaves out the name only: a member's certificate names the Services, not the pod
        # (https://github.com/patroni/patroni/blob/v4.0.6/patroni/request.py).
        "ctl": {
            "insecure": True,
            "cacert": str(certificates / "ca.crt"),
            "certfile": str(certificates / "replication.crt"),
            "keyfile": str(certificates / "replication.key"),
        },
        # A member without data waits for the leader's: the first data are made before Patroni starts, and only once.
        **({"bootstrap": {"dcs": cluster_state(configuration)}} if places.has_data else {}),
        "postgresql": {
            "listen": f"0.0.0.0:{POSTGRES_PORT}",
            "connect_address": f"{member.address}:{POSTGRES_PORT}",
            "data_dir": str(places.data),
            "use_unix_socket": True,
            "pgpass": str(places.sockets / "pgpass"),
            "authentication": {
                "superuser": {"username": "postgres"},
                "replication": replication,
                # Which may do what rewinding needs, and nothing more.
                "rewind": replication,
            },
            "parameters": parameters,
            "pg_hba": hba_rules(configuration),
            "pg_ident": ident_rules(configuration),
            "basebackup": [
                {"checkpoint": "fast"},
                *([{"waldir": str(places.wal)}] if places.wal else []),
            ],
            "remove_data_directory_on_rewind_failure": True,
            "remove_data_directory_on_diverged_timelines": True,
        },
        "log": {"level": "INFO"},
    }
