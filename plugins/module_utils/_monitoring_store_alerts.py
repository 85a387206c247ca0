# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Alerts of the stores: PostgreSQL by the names of CloudNativePG, Redis by those of Redis Enterprise (v2), Kafka by those of Strimzi.

https://cloudnative-pg.io/documentation/1.30/monitoring/ (the default queries)
https://redis.io/docs/latest/operate/rs/references/metrics/prometheus-metrics-v2/
https://strimzi.io/docs/operators/1.2.0/deploying#assembly-metrics-str (strimziMetricsReporter, Kafka Exporter, operators)
"""

from __future__ import annotations

import typing as t

from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import KAFKA, POSTGRESQL, REDIS
from ansible_collections.azora.platform.plugins.module_utils._manifests import clients_of, of_kind, uses_of
from ansible_collections.azora.platform.plugins.module_utils._monitoring_alert import (
    CRITICAL,
    DAY,
    HOUR,
    WARNING,
    Alert,
    any_of,
    selected,
)
from ansible_collections.azora.platform.plugins.module_utils._monitoring_monitors import EXPORTER

Catalogue = t.Mapping[str, t.Any]
Store = t.Mapping[str, t.Any]
Limits = t.Mapping[str, float]
CLUSTER_OPERATOR, BACKUP_PLUGIN = "Strimzi's operator", "the plugin barman-cloud"


def store_alerts(catalogue: Catalogue, limits: Limits, kafka_parts: t.Collection[str]) -> list[Alert]:
    alerts: list[Alert] = []
    for store in _with_metrics(catalogue, POSTGRESQL):
        alerts += _postgres(catalogue, store, limits)
    for store in _with_metrics(catalogue, REDIS):
        alerts += _redis(catalogue, store, limits)
    for store in _with_metrics(catalogue, KAFKA):
        alerts += _kafka(catalogue, store, limits, kafka_parts)
    return alerts


def _with_metrics(catalogue: Catalogue, kind: str) -> list[dict[str, t.Any]]:
    return [store for store in of_kind(catalogue, kind) if store["metrics_port"]]


def _postgres(catalogue: Catalogue, store: Store, limits: Limits) -> list[Alert]:
    own = selected(catalogue, component="store", store=store["name"])
    name, lag = store["id"], limits["replication_lag_seconds"]
    alerts = [
        Alert(
            "PostgresDown",
            f"cnpg_collector_up{own} == 0",
            "2m",
            CRITICAL,
            "PostgreSQL does not answer on {{ $labels.pod }}",
            f"The instance {{{{ $labels.pod }}}} of {name} has not answered its own queries for 2 minutes.",
        ),
        Alert(
            "PostgresReplicationLag",
            f"cnpg_pg_replication_lag{own} > {lag:g}",
            "5m",
            WARNING,
            "{{ $labels.pod }} lags behind its primary",
            f"{{{{ $labels.pod }}}} of {name} has been more than {lag:g} seconds behind for 5 minutes: {{{{ $value | humanizeDuration }}}}.",
        ),
    ]
    if store["replicas"] > 1:
        standbys = store["replicas"] - 1
        alerts.append(
            Alert(
                "PostgresStandbyMissing",
                f"max by (platform, store) (cnpg_pg_replication_streaming_replicas{own}) < {standbys}",
                "5m",
                CRITICAL,
                f"{name} has too few standbys",
                f"Only {{{{ $value }}}} of {standbys} standbys of {name} have received the log of their primary for 5 minutes.",
            )
        )
    if store["backup"]:
        alerts += _postgres_backups(own, name, limits["backup_age_hours"])
    return alerts


def _postgres_backups(own: str, name: str, age: float) -> list[Alert]:
    archiver = "cnpg_pg_stat_archiver_seconds_since_last"
    return [
        # A standby keeps what it counted when it was the primary.
        Alert(
            "PostgresArchivingFails",
            f"({archiver}_failure{own} >= 0 and ({archiver}_archival{own} > {archiver}_failure{own} or {archiver}_archival{own} < 0))"
            f" and cnpg_pg_replication_in_recovery{own} == 0",
            "5m",
            CRITICAL,
            f"The log of {name} does not get into the object store",
            f"{{{{ $labels.pod }}}} of {name} has not been able to archive its log for 5 minutes: its disk fills, and nothing since can be recovered.",
        ),
        Alert(
            "PostgresBackupOld",
            f"time() - max by (platform, store) (barman_cloud_cloudnative_pg_io_last_available_backup_timestamp{own}) > {age * HOUR:g}",
            "0s",
            CRITICAL,
            f"{name} has no recent backup",
            f"The last backup of {name} ended {{{{ $value | humanizeDuration }}}} ago; it should be at most {age:g} hours.",
            BACKUP_PLUGIN,
        ),
    ]


def _redis(catalogue: Catalogue, store: Store, limits: Limits) -> list[Alert]:
    own = selected(catalogue, component="store", store=store["name"])
    name, percent = store["id"], limits["redis_memory_percent"]
    return [
        Alert(
            "RedisShardDown",
            f"min by (platform, store, db, node) (redis_server_up{own}) == 0",
            "2m",
            CRITICAL,
            "A shard of Redis is down",
            f"A shard of database {{{{ $labels.db }}}} on node {{{{ $labels.node }}}} of {name} has been down for 2 minutes.",
        ),
        Alert(
            "RedisQuorumLost",
            f"min by (platform, store, node) (has_quorum{own}) == 0",
            "1m",
            CRITICAL,
            f"{name} has no quorum",
            f"Node {{{{ $labels.node }}}} of {name} sees too few others: there is no failover and no change.",
        ),
        Alert(
            "RedisMemoryFull",
            f"max by (platform, store, db) (redis_server_used_memory{own} / (redis_server_maxmemory{own} > 0)) > {percent / 100:g}",
            "5m",
            WARNING,
            "A database of Redis is nearly full",
            f"A shard of database {{{{ $labels.db }}}} of {name} has used {{{{ $value | humanizePercentage }}}} of its memory for 5 minutes.",
        ),
        Alert(
            "RedisLicenseExpires",
            f"min by (platform, store) (license_expiration_days{own}) < {limits['license_days']:g}",
            "1h",
            CRITICAL,
            f"The licence of {name} ends soon",
            f"The licence of {name} ends in {{{{ $value }}}} days. After that databases cannot be made or changed.",
        ),
        Alert(
            "RedisCertificateExpires",
            f"min by (platform, store, node, logical_name) (node_cert_expires_in_seconds{own}) < {limits['certificate_days'] * DAY:g}",
            "1h",
            WARNING,
            "A certificate of Redis ends soon",
            f"The certificate {{{{ $labels.logical_name }}}} of node {{{{ $labels.node }}}} of {name} ends in {{{{ $value | humanizeDuration }}}}.",
        ),
    ]


def _kafka(catalogue: Catalogue, store: Store, limits: Limits, kafka_parts: t.Collection[str]) -> list[Alert]:
    own = selected(catalogue, component="store", store=store["name"])
    name = store["id"]
    certificates = f'{{cluster="{store["cluster"]}",resource_namespace="{store["namespace"]}"}}'
    alerts = [
        Alert(
            "KafkaUnderReplicated",
            f"sum by (platform, store) (kafka_server_replicamanager_underreplicatedpartitions{own}) > 0",
            "5m",
            WARNING,
            f"Partitions of {name} lack copies",
            f"{{{{ $value }}}} partitions of {name} have had fewer copies than they should for 5 minutes.",
        ),
        Alert(
            "KafkaUnderMinimum",
            f"sum by (platform, store) (kafka_server_replicamanager_underminisrpartitioncount{own}) > 0",
            "1m",
            CRITICAL,
            f"Partitions of {name} take no messages",
            f"{{{{ $value }}}} partitions of {name} have so few copies that producers are refused.",
        ),
        Alert(
            "KafkaPartitionsOffline",
            f"max by (platform, store) (kafka_controller_kafkacontroller_offlinepartitionscount{own}) > 0",
            "1m",
            CRITICAL,
            f"Partitions of {name} are offline",
            f"{{{{ $value }}}} partitions of {name} have no leader: nobody can read or write them.",
        ),
        Alert(
            "KafkaControllerMissing",
            f"sum by (platform, store) (kafka_controller_kafkacontroller_activecontrollercount{own}) != 1",
            "2m",
            CRITICAL,
            f"{name} has not exactly one controller",
            f"{{{{ $value }}}} brokers of {name} say they are the controller; it must be one.",
        ),
        Alert(
            "KafkaCertificateExpires",
            f"min by (cluster, type) (strimzi_certificate_expiration_timestamp_ms{certificates}) / 1000 - time()"
            f" < {limits['certificate_days'] * DAY:g}",
            "1h",
            WARNING,
            f"A certificate authority of {name} ends soon",
            f"The {{{{ $labels.type }}}} of {name} ends in {{{{ $value | humanizeDuration }}}}.",
            CLUSTER_OPERATOR,
        ),
    ]
    groups = [
        use["group"] for client in clients_of(catalogue, store) for use in uses_of(client, store) if use["consume"]
    ]
    if groups and EXPORTER in kafka_parts:
        alerts.append(_consumer_lag(catalogue, store, groups, limits["consumer_lag_messages"]))
    return alerts


def _consumer_lag(catalogue: Catalogue, store: Store, groups: t.Sequence[str], most: float) -> Alert:
    exported = selected(catalogue, component=EXPORTER, store=store["name"])
    series = f'{exported[:-1]},consumergroup=~"{any_of(groups)}"}}'
    return Alert(
        "KafkaConsumerLag",
        f"sum by (platform, store, consumergroup, topic) (kafka_consumergroup_lag{series}) > {most:g}",
        "10m",
        WARNING,
        "{{ $labels.consumergroup }} does not keep up",
        "{{ $labels.consumergroup }} has been {{ $value }} messages behind on {{ $labels.topic }} for 10 minutes.",
        "Strimzi's Kafka Exporter",
    )
