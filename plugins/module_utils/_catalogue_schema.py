# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue's schema: every key there is, and the form of its value."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _quantity
from ansible_collections.azora.platform.plugins.module_utils._catalogue_shape import (
    INVALID,
    Amount,
    Anything,
    Cidr,
    Key,
    ListOf,
    MapOf,
    Record,
    Report,
    Scalar,
    Switch,
    Text,
    Whole,
    nearest,
    shown,
)
from ansible_collections.azora.platform.plugins.module_utils._gateway_schema import EXPOSE, GATEWAY_KEYS

POSTGRESQL, REDIS, KAFKA = "postgresql", "redis", "kafka"
STORE_KINDS = (POSTGRESQL, REDIS, KAFKA)
OPERATOR_OF = {"cloudnative-pg": POSTGRESQL, "redis-enterprise": REDIS, "strimzi": KAFKA}
# Operators that manage no store: they follow from the catalogue, but can be given like the others.
BACKUP_PLUGIN, PROMETHEUS_OPERATOR = "barman-cloud", "prometheus-operator"
POD_SECURITY_LEVELS = ("privileged", "baseline", "restricted")

DNS_LABEL = Text(
    "a DNS label: lower-case letters, digits and '-', beginning with a letter, at most 63 characters",
    re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?"),
    longest=63,
)
# Vendors' names carry suffixes such as -kafka-bootstrap: CloudNativePG stops at 50 characters.
CLUSTER_NAME = Text(
    "a DNS label: lower-case letters, digits and '-', beginning with a letter, at most 40 characters",
    re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?"),
    longest=40,
)
NAMESPACE_NAME = Text(
    "a namespace: lower-case letters, digits and '-', at most 63 characters",
    re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?"),
    longest=63,
)
DNS_SUBDOMAIN = Text(
    "a DNS name: lower-case letters, digits, '-' and '.', at most 253 characters",
    re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"),
    longest=253,
)
LABEL_KEY = Text(
    "a label key such as app.kubernetes.io/name",
    re.compile(r"([a-z0-9]([a-z0-9.-]*[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"),
    longest=317,
)
LABEL_VALUE = Text(
    "a label value: letters, digits, '-', '_' and '.', at most 63 characters",
    re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?"),
    longest=63,
    keeps_empty=True,
)
LABELS = MapOf(LABEL_VALUE, LABEL_KEY)
VARIABLE = Text("the name of an environment variable such as LOG_LEVEL", re.compile(r"[A-Za-z_][A-Za-z0-9_]*"), 253)
IMAGE = Text(
    "an image reference such as registry.example/team/service:1.0, or with a digest of 64 digits, …/service@sha256:0a1b…",
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:/+-]*(@sha256:[0-9a-f]{64}|@sha512:[0-9a-f]{128})?"),
    512,
)
PORT = Whole(1, 65535, "a port")
URL_PATH = Text("a path such as /health", re.compile(r"/[A-Za-z0-9._~/%?&=-]*"), 1024)
POSTGRES_NAME = Text(
    "a database name: lower-case letters, digits, '-' and '_', beginning with a letter, at most 40 characters",
    re.compile(r"[a-z]([a-z0-9_-]*[a-z0-9])?"),
    40,
)
TOPIC_NAME = Text(
    "a topic: lower-case letters, digits, '-' and '.', at most 200 characters",
    re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?"),
    200,
)
QUOTA_KEY = Text(
    "a quota key such as requests.cpu, limits.memory, pods or count/deployments.apps",
    re.compile(r"[A-Za-z0-9][A-Za-z0-9./-]*"),
    253,
)

CPU, MEMORY = Amount(_quantity.cpu), Amount(_quantity.memory)
COMPUTE = Record({"cpu": Key(CPU), "memory": Key(MEMORY)}, "{cpu: 250m, memory: 256Mi}")
RESOURCES = Record({"requests": Key(COMPUTE), "limits": Key(COMPUTE)})


@dataclass(frozen=True)
class PortReference:
    """A port by its name or number."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        if isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9-]{0,14}", value):
            return str(value)
        number = PORT.clean(value, path, Report())
        if number is INVALID:
            report.add(path, f"{shown(value)} is not a port; write its name, such as http, or a number from 1 to 65535")
        return number


PROBE = Record(
    {
        "path": Key(URL_PATH),
        "port": Key(PortReference()),
        "initial_delay_seconds": Key(Whole(0, 3600, "a number of seconds")),
        "period_seconds": Key(Whole(1, 3600, "a number of seconds")),
        "timeout_seconds": Key(Whole(1, 600, "a number of seconds")),
        "failure_threshold": Key(Whole(1, 100)),
        "dependency_free": Key(Switch()),
    },
    "{path: /health}",
    short=lambda path: {"path": path},
)
PROBES = Record({"liveness": Key(PROBE), "readiness": Key(PROBE)})
AUTOSCALING = Record(
    {
        "enabled": Key(Switch()),
        "min_replicas": Key(Whole(1, 1000)),
        "max_replicas": Key(Whole(1, 1000)),
        "cpu_percent": Key(Whole(1, 1000, "a percentage of the request")),
        "memory_percent": Key(Whole(1, 1000, "a percentage of the request")),
        # The API takes no more (HPAScalingRules.stabilizationWindowSeconds).
        "scale_up_window_seconds": Key(Whole(0, 3600, "a number of seconds")),
        "scale_down_window_seconds": Key(Whole(0, 3600, "a number of seconds")),
    }
)
ENVIRONMENT = MapOf(Scalar(), VARIABLE, drops_empty=True)
SECRET = Record(
    {"name": Key(DNS_SUBDOMAIN, required=True), "keys": Key(ListOf(VARIABLE, least=1, distinct=True), required=True)},
    "{name: llm-provider, keys: [LLM_API_KEY]}",
)
EXTERNAL = Record(
    {
        "name": Key(DNS_LABEL, required=True),
        "port": Key(PORT),
        "cidrs": Key(ListOf(Cidr(), distinct=True)),
    },
    "{name: https, port: 443}",
)
STORE_USE = Record(
    {
        "name": Key(DNS_LABEL, required=True),
        "database": Key(Text("the name of a database of that store", longest=63)),
        "produce": Key(ListOf(TOPIC_NAME, distinct=True)),
        "consume": Key(ListOf(TOPIC_NAME, distinct=True)),
        "group": Key(DNS_LABEL),
    },
    "{name: postgres, database: user}",
)

# What the level "restricted" of Pod Security lets a container choose; the rest is set for all.
SECURITY_CONTEXT = Record(
    {
        "run_as_user": Key(Whole(1, 2**31 - 1, "a user number other than root's,")),
        "run_as_group": Key(Whole(1, 2**31 - 1, "a group number other than root's,")),
        "fs_group": Key(Whole(1, 2**31 - 1, "a group number other than root's,")),
        "read_only_root_filesystem": Key(Switch()),
        "bind_low_ports": Key(Switch()),
    },
    "{run_as_user: 10001}",
)
SERVICE_ACCOUNT = Record(
    {"name": Key(DNS_SUBDOMAIN), "annotations": Key(MapOf(Text("an annotation's value", keeps_empty=True), LABEL_KEY))},
    "{annotations: {eks.amazonaws.com/role-arn: arn:aws:iam::111122223333:role/orders}}",
    short=lambda name: {"name": name},
)

_RUNS: dict[str, Key] = {
    "image": Key(IMAGE),
    "replicas": Key(Whole(1, 1000)),
    "resources": Key(RESOURCES),
    "probes": Key(PROBES),
    "autoscaling": Key(AUTOSCALING),
    "environment": Key(ENVIRONMENT),
    "termination_grace_seconds": Key(Whole(1, 3600, "a number of seconds")),
    "pre_stop_seconds": Key(Whole(0, 3600, "a number of seconds")),
    "security_context": Key(SECURITY_CONTEXT),
    "canary": Key(Switch()),
}
_SERVICE_PORTS = Record({"http": Key(PORT), "metrics": Key(PORT)}, "{http: 8080, metrics: 9090}")
_GATEWAY_PORTS = Record({"http": Key(PORT), "control": Key(PORT), "metrics": Key(PORT)}, "{http: 8080}")
_WORKLOAD: dict[str, Key] = {
    "name": Key(DNS_LABEL, required=True),
    "namespace": Key(NAMESPACE_NAME, required=True),
    **_RUNS,
    "stores": Key(ListOf(STORE_USE)),
    "external": Key(ListOf(EXTERNAL, named=True)),
    "secrets": Key(ListOf(SECRET, named=True)),
    "kubernetes_api": Key(Switch()),
    "service_account": Key(SERVICE_ACCOUNT),
}
DEFAULTS = Record({**_RUNS, "ports": Key(_SERVICE_PORTS)})
SERVICE = Record(
    {
        **_WORKLOAD,
        "kind": Key(DNS_LABEL),
        "ports": Key(_SERVICE_PORTS),
        "calls": Key(ListOf(Text("the name of a service", longest=63), distinct=True)),
        "expose": Key(EXPOSE),
    },
    "{name: user, namespace: default}",
)
GATEWAY = Record(
    {
        **_WORKLOAD,
        "ports": Key(_GATEWAY_PORTS),
        "configuration": Key(MapOf(Anything(), Text("a key of tyk.conf"))),
        **GATEWAY_KEYS,
    },
    "{name: gateway, namespace: default}",
)

POD_SECURITY = Record(
    {level: Key(Text(choices=POD_SECURITY_LEVELS)) for level in ("enforce", "audit", "warn")}
    | {"version": Key(Text("latest, or a version such as v1.37", re.compile(r"latest|v1\.[0-9]{1,3}")))},
    "{enforce: restricted}",
    short=lambda level: {"enforce": level},
)
NAMESPACE = Record(
    {
        "name": Key(NAMESPACE_NAME, required=True),
        "purpose": Key(Text(choices=("services", "data", "operator", "monitoring"))),
        "pod_security": Key(POD_SECURITY),
        "labels": Key(LABELS),
        "quota": Key(MapOf(Amount(_quantity.quantity), QUOTA_KEY)),
        "limits": Key(
            Record(
                {
                    "default": Key(COMPUTE),
                    "default_request": Key(COMPUTE),
                    "max": Key(COMPUTE),
                    "min": Key(COMPUTE),
                }
            )
        ),
    },
    "{name: azora-es, purpose: services}",
)
OPERATOR = Record(
    {
        "name": Key(DNS_LABEL, required=True),
        "namespace": Key(NAMESPACE_NAME, required=True),
        "manages": Key(Text(choices=STORE_KINDS)),
        "pod_labels": Key(LABELS, required=True),
        "webhook_port": Key(PORT),
        "metrics_port": Key(PORT),
        "watches": Key(ListOf(NAMESPACE_NAME, distinct=True)),
        "backup_plugin": Key(Switch()),
        "provided": Key(Switch()),
    },
    "{name: strimzi, namespace: strimzi-system, pod_labels: {strimzi.io/kind: cluster-operator}}",
)
MONITORING = Record(
    {
        "namespace": Key(NAMESPACE_NAME, required=True),
        "pod_labels": Key(LABELS),
        "prometheus_namespace": Key(NAMESPACE_NAME),
        "operator": Key(Switch()),
        "operator_pod_labels": Key(LABELS),
        "stack": Key(Switch()),
        "external": Key(ListOf(EXTERNAL, named=True)),
    },
    "{namespace: monitoring}",
)

_BACKUP_PLACE: dict[str, Key] = {
    "destination": Key(
        Text(
            "a bucket, with a path or without, such as s3://backups/azora",
            re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?"),
            1024,
        ),
        required=True,
    ),
    "cidrs": Key(ListOf(Cidr(), distinct=True)),
}
_BACKUP_EXAMPLE = "{destination: s3://backups/azora, endpoint: https://s3.example.org}"
_S3_HOST = r"[A-Za-z0-9.-]+(:[1-9][0-9]{0,4})?/?"
BACKUP = Record(
    {
        **_BACKUP_PLACE,
        "endpoint": Key(
            Text(
                "the URL of an S3 service such as https://s3.example.org:9000",
                re.compile(rf"https?://{_S3_HOST}"),
                1024,
            )
        ),
    },
    _BACKUP_EXAMPLE,
)
REDIS_BACKUP = Record(
    {
        **_BACKUP_PLACE,
        "endpoint": Key(
            Text(
                "the URL of an S3 service such as https://s3.example.org:9000; Redis Enterprise speaks TLS with it, hence https",
                re.compile(rf"https://{_S3_HOST}"),
                1024,
            )
        ),
    },
    _BACKUP_EXAMPLE,
)

_STORE: dict[str, Key] = {
    "name": Key(DNS_LABEL, required=True),
    "kind": Key(Text(choices=STORE_KINDS), required=True),
    "namespace": Key(NAMESPACE_NAME, required=True),
    "cluster": Key(CLUSTER_NAME),
    "replicas": Key(Whole(1, 100)),
    "metrics_port": Key(PORT),
    "metrics": Key(Switch()),
}
_POSTGRES_DATABASE = Record(
    {
        "name": Key(POSTGRES_NAME, required=True),
        "owner": Key(POSTGRES_NAME),
        "extensions": Key(ListOf(Text("the SQL name of an extension", re.compile(r"[a-z0-9_-]+"), 63), distinct=True)),
    },
    "{name: user, extensions: [vector]}",
)
_REDIS_DATABASE = Record(
    {
        "name": Key(DNS_LABEL, required=True),
        "port": Key(Whole(10000, 19999, "a database port of Redis Enterprise"), required=True),
        "memory": Key(Amount(_quantity.redis_memory)),
        "version": Key(Text("a version such as '8.4'", re.compile(r"[0-9]{1,2}\.[0-9]{1,2}"))),
        "replication": Key(Switch()),
        "shards": Key(Whole(1, 512)),
        "persistence": Key(
            Text(
                choices=(
                    "disabled",
                    "aofEverySecond",
                    "aofAlways",
                    "snapshotEvery1Hour",
                    "snapshotEvery6Hour",
                    "snapshotEvery12Hour",
                )
            )
        ),
        "eviction": Key(
            Text(
                choices=(
                    "noeviction",
                    "allkeys-lru",
                    "allkeys-lfu",
                    "allkeys-random",
                    "volatile-lru",
                    "volatile-lfu",
                    "volatile-random",
                    "volatile-ttl",
                )
            )
        ),
        "modules": Key(ListOf(Text(choices=("search", "ReJSON", "timeseries", "bf")), distinct=True)),
    },
    "{name: session, port: 12000}",
)
_TOPIC = Record(
    {
        "name": Key(TOPIC_NAME, required=True),
        "partitions": Key(Whole(1, 100000)),
        "replicas": Key(Whole(1, 100)),
        "config": Key(MapOf(Scalar(), Text("a topic setting such as retention.ms", longest=253))),
    },
    "{name: analytics-events, partitions: 3}",
)
_STORES = {
    POSTGRESQL: Record(
        {**_STORE, "port": Key(Whole(5432, 5432, "CloudNativePG's port"))}
        | {"databases": Key(ListOf(_POSTGRES_DATABASE, named=True, least=1), required=True), "backup": Key(BACKUP)}
    ),
    REDIS: Record(
        {**_STORE, "databases": Key(ListOf(_REDIS_DATABASE, named=True, least=1), required=True)}
        | {"backup": Key(REDIS_BACKUP)}
    ),
    KAFKA: Record(
        {**_STORE, "port": Key(Whole(9092, 65535, "a port of a Kafka listener"))}
        | {"topics": Key(ListOf(_TOPIC, named=True))}
    ),
}
# Strimzi keeps these for itself.
KAFKA_INTERNAL_PORTS = (9404, 9999)


@dataclass(frozen=True)
class StoreShape:
    """A store, whose keys depend on its kind."""

    def clean(self, value: Any, path: str, report: Report) -> Any:
        kind = value.get("kind") if isinstance(value, Mapping) else None
        if isinstance(kind, str) and kind in _STORES:
            return _STORES[kind].clean(value, path, report)
        if not isinstance(value, Mapping):
            report.add(path, f"{shown(value)} is not a dictionary; write name, kind, namespace and what the kind needs")
            return INVALID
        if kind is None or kind == "":
            report.add(f"{path}.kind", f"is missing; write one of {', '.join(STORE_KINDS)}")
        else:
            hint = nearest(kind, STORE_KINDS) if isinstance(kind, str) else f"known: {', '.join(STORE_KINDS)}"
            report.add(f"{path}.kind", f"{shown(kind)} is not a supported kind of store; {hint}")
        # Without a kind nothing is known about the other keys, but the store exists: no mistakes follow from this one.
        common = {key: value.get(key) for key in ("name", "namespace", "cluster")}
        return Record({key: _STORE[key] for key in common}).clean(common, path, report)


PLATFORM = Record(
    {
        "name": Key(DNS_LABEL, required=True),
        "cluster_domain": Key(DNS_SUBDOMAIN),
        "namespaces": Key(ListOf(NAMESPACE, named=True, least=1), required=True),
        "operators": Key(ListOf(OPERATOR, named=True)),
        "stores": Key(ListOf(StoreShape(), named=True)),
        "services": Key(ListOf(SERVICE, named=True, least=1), required=True),
        "gateway": Key(GATEWAY),
        "monitoring": Key(MONITORING),
        "defaults": Key(DEFAULTS),
    },
    "{name: azora, namespaces: […], services: […]}",
)
