# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the entries of a catalogue say about each other: references that lead nowhere, things that exclude each other.

The schema has cleaned the entries; whatever it dropped is reported already and simply missing here, so that one mistake makes one
sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _catalogue_defaults as fill
from ansible_collections.azora.platform.plugins.module_utils._catalogue_quotas import needs, readable, unfitting
from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import (
    BACKUP_PLUGIN,
    KAFKA,
    KAFKA_INTERNAL_PORTS,
    OPERATOR_OF,
    POSTGRESQL,
    PROMETHEUS_OPERATOR,
    REDIS,
)
from ansible_collections.azora.platform.plugins.module_utils._catalogue_shape import Report, nearest, shown
from ansible_collections.azora.platform.plugins.module_utils._gateway_checks import check_gateway
from ansible_collections.azora.platform.plugins.module_utils._quantity import quantity

Entry = Mapping[str, Any]
POSTGRES_DATABASES_OF_ITS_OWN = ("postgres", "template0", "template1")
POSTGRES_ROLES_OF_ITS_OWN = ("postgres", "streaming_replica", "cnpg_pooler_pgbouncer", "none", "public")


class References:
    """The checks over one cleaned catalogue."""

    def __init__(self, platform: Entry, report: Report) -> None:
        self.report = report
        self.platform = platform
        defaults = platform.get("defaults", {})
        self.services = [fill.filled_service(entry, defaults) for entry in _named(platform.get("services"))]
        given_gateway = platform.get("gateway")
        self.gateway = fill.filled_gateway(given_gateway, defaults) if given_gateway else None
        self.stores = [fill.filled_store(entry) for entry in _named(platform.get("stores"))]
        self.operators = [fill.filled_operator(entry, self.stores) for entry in _named(platform.get("operators"))]
        self.namespaces = [fill.filled_namespace(entry) for entry in _named(platform.get("namespaces"))]

    def check(self) -> None:
        self._namespaces()
        self._workload_names()
        for path, workload in self._workloads():
            self._calls(path, workload)
            self._store_uses(path, workload)
            self._ports(path, workload)
            self._resources(path, workload)
            self._replicas(path, workload)
            self._account(path, workload)
        domain = self.platform.get("cluster_domain", "cluster.local")
        check_gateway(self.gateway, self.services, domain, self.report)
        self._stores()
        self._operators()
        self._limits()
        self._quotas()

    def _workloads(self) -> Iterator[tuple[str, dict[str, Any]]]:
        if self.gateway is not None:
            yield "gateway", self.gateway
        for service in self.services:
            yield f"services.{service['name']}", service

    def _namespaces(self) -> None:
        known = [namespace["name"] for namespace in self.namespaces]
        users: list[tuple[str, Entry]] = list(self._workloads())
        users += [(f"stores.{store['name']}", store) for store in self.stores]
        users += [(f"operators.{one['name']}", one) for one in self.operators if not one["provided"]]
        if self.platform.get("monitoring"):
            users.append(("monitoring", self.platform["monitoring"]))
            self._monitoring_stack(self.platform["monitoring"])
        for path, entry in users:
            name = entry.get("namespace")
            if name is not None and name not in known:
                hint = nearest(name, known)
                self.report.add(f"{path}.namespace", f"{shown(name)} is not in namespaces; {hint}")

    def _monitoring_stack(self, monitoring: Entry) -> None:
        if not monitoring.get("stack"):
            return
        if monitoring.get("operator"):
            self.report.add(
                "monitoring.operator",
                "kube-prometheus-stack brings the Prometheus operator; set one of operator and stack",
            )
        elsewhere = monitoring.get("prometheus_namespace")
        if elsewhere and elsewhere != monitoring.get("namespace"):
            self.report.add(
                "monitoring.prometheus_namespace", "kube-prometheus-stack stands in monitoring.namespace; leave it out"
            )

    def _workload_names(self) -> None:
        if self.gateway is None:
            return
        name = self.gateway.get("name")
        if any(service["name"] == name for service in self.services):
            self.report.add("gateway.name", f"{shown(name)} is a service already; give the gateway a name of its own")

    def _calls(self, path: str, workload: Entry) -> None:
        known = [service["name"] for service in self.services]
        for callee in workload.get("calls", []):
            if callee == workload["name"]:
                self.report.add(f"{path}.calls", f"{shown(callee)} is the service itself; leave it out")
            elif callee not in known:
                self.report.add(f"{path}.calls", f"{shown(callee)} is not a service; {nearest(callee, known)}")

    def _store_uses(self, path: str, workload: Entry) -> None:
        stores = {store["name"]: store for store in self.stores}
        kinds: list[str] = []
        for use in workload["stores"]:
            name = use.get("name")
            if name is None:
                continue
            place = f"{path}.stores.{name}"
            store = stores.get(name)
            if store is None:
                hint = nearest(name, list(stores))
                self.report.add(f"{path}.stores", f"{shown(name)} is not a store; {hint}")
                continue
            kind = store.get("kind")
            if kind is None:
                continue
            if kind in kinds:
                self.report.add(place, f"is the second {kind} use; a service uses one {kind} database or cluster")
            kinds.append(kind)
            if kind == KAFKA:
                self._topics(place, use, store)
            else:
                self._database(place, use, store)

    def _database(self, place: str, use: Entry, store: Entry) -> None:
        for key in ("produce", "consume", "group"):
            if key in use:
                self.report.add(f"{place}.{key}", f"is for Kafka; a {store['kind']} store takes database only")
        known = [database["name"] for database in _named(store["databases"])]
        if "database" not in use:
            self.report.add(f"{place}.database", f"is missing; known: {', '.join(known)}")
        elif use["database"] not in known:
            hint = nearest(use["database"], known)
            self.report.add(
                f"{place}.database", f"{shown(use['database'])} is not a database of {store['name']}; {hint}"
            )

    def _topics(self, place: str, use: Entry, store: Entry) -> None:
        if "database" in use:
            self.report.add(f"{place}.database", "is for databases; a kafka store takes produce and consume")
        known = [topic["name"] for topic in _named(store["topics"])]
        if not use.get("produce") and not use.get("consume"):
            self.report.add(place, f"names no topic; write produce or consume with topics, known: {', '.join(known)}")
        for key in ("produce", "consume"):
            for topic in use.get(key, []):
                if topic not in known:
                    hint = nearest(topic, known)
                    self.report.add(f"{place}.{key}", f"{shown(topic)} is not a topic of {store['name']}; {hint}")

    def _ports(self, path: str, workload: Entry) -> None:
        by_number: dict[int, str] = {}
        for name, number in workload["ports"].items():
            if number in by_number:
                other = by_number[number]
                self.report.add(f"{path}.ports.{name}", f"{number} is the port of {other} already; give each its own")
            by_number.setdefault(number, name)
        for probe, settings in workload["probes"].items():
            port = settings["port"]
            if isinstance(port, str) and port not in workload["ports"]:
                hint = nearest(port, list(workload["ports"]))
                self.report.add(f"{path}.probes.{probe}.port", f"{shown(port)} is not a port of this workload; {hint}")

    def _resources(self, path: str, workload: Entry) -> None:
        requests, limits = workload["resources"]["requests"], workload["resources"]["limits"]
        for kind in ("cpu", "memory"):
            if kind in requests and kind in limits and quantity(requests[kind]) > quantity(limits[kind]):
                self.report.add(
                    f"{path}.resources.requests.{kind}",
                    f"{shown(requests[kind])} is above the limit {shown(limits[kind])}; lower it or raise limits.{kind}",
                )

    def _replicas(self, path: str, workload: Entry) -> None:
        scaling = workload["autoscaling"]
        least, most = scaling["min_replicas"], scaling["max_replicas"]
        if least > most:
            self.report.add(
                f"{path}.autoscaling.min_replicas", f"{least} is above max_replicas {most}; write at most {most}"
            )
        grace, pause = workload["termination_grace_seconds"], workload["pre_stop_seconds"]
        if pause >= grace:
            self.report.add(
                f"{path}.pre_stop_seconds",
                f"{pause} leaves no time to stop within termination_grace_seconds {grace}; write less than {grace}",
            )
        is_reported = any(sentence.startswith(f"{path}.image: ") for sentence in self.report)
        if workload.get("namespace") is not None and workload["image"] is None and not is_reported:
            self.report.add(
                f"{path}.image", "is missing; write an image reference such as registry.example/service:1.0"
            )

    def _account(self, path: str, workload: Entry) -> None:
        account = workload["service_account"]
        if account["name"] and account["annotations"]:
            self.report.add(
                f"{path}.service_account",
                f"the account {account['name']} is there already and is not changed; leave out name or annotations",
            )

    def _stores(self) -> None:
        taken: dict[tuple[Any, Any], str] = {}
        redis_of: dict[Any, str] = {}
        for _path, workload in self._workloads():
            taken.setdefault((workload.get("namespace"), workload.get("name")), f"the service {workload.get('name')}")
        for store in self.stores:
            path = f"stores.{store['name']}"
            if store.get("kind") is None:
                continue
            namespace = store.get("namespace")
            if namespace is None:
                continue
            names = [("cluster", store["cluster"])]
            if store["kind"] == REDIS:
                if namespace in redis_of:
                    self.report.add(
                        f"{path}.namespace",
                        f"{shown(namespace)} has the Redis cluster of {redis_of[namespace]} already; "
                        "Redis Enterprise takes one cluster a namespace",
                    )
                redis_of.setdefault(namespace, store["name"])
                names += [(f"databases.{entry['name']}", entry["name"]) for entry in _named(store["databases"])]
                self._redis_ports(path, store)
            for key, name in names:
                if (namespace, name) in taken:
                    self.report.add(
                        f"{path}.{key}",
                        f"{shown(name)} is the name of {taken[namespace, name]} in the namespace {namespace} already; "
                        "give each its own name or namespace",
                    )
                taken.setdefault(
                    (namespace, name), f"{key.split('.', maxsplit=1)[0].removesuffix('s')} of {store['name']}"
                )
            if store["kind"] == POSTGRESQL:
                self._postgres_names(path, store)
            if store["kind"] == KAFKA:
                self._kafka(path, store)

    def _redis_ports(self, path: str, store: Entry) -> None:
        taken: dict[int, str] = {}
        for database in _named(store["databases"]):
            port = database.get("port")
            if port is None:
                continue
            if port in taken:
                place = f"{path}.databases.{database['name']}.port"
                self.report.add(place, f"{port} is the port of {taken[port]} already; give each database its own")
            taken.setdefault(port, database["name"])

    def _postgres_names(self, path: str, store: Entry) -> None:
        for database in _named(store["databases"]):
            place = f"{path}.databases.{database['name']}"
            if database["name"] in POSTGRES_DATABASES_OF_ITS_OWN:
                self.report.add(f"{place}.name", f"{shown(database['name'])} is PostgreSQL's own; choose another name")
            owner = database["owner"]
            if owner in POSTGRES_ROLES_OF_ITS_OWN or owner.startswith("pg_"):
                self.report.add(f"{place}.owner", f"{shown(owner)} is a role of PostgreSQL's own; choose another name")

    def _kafka(self, path: str, store: Entry) -> None:
        if store["port"] in KAFKA_INTERNAL_PORTS:
            self.report.add(f"{path}.port", f"{store['port']} is Strimzi's own; write another, such as 9093")
        for topic in _named(store["topics"]):
            if topic["replicas"] > store["replicas"]:
                self.report.add(
                    f"{path}.topics.{topic['name']}.replicas",
                    f"{topic['replicas']} is above the {store['replicas']} replicas of the store; write at most that",
                )

    def _operators(self) -> None:
        known = [namespace["name"] for namespace in self.namespaces]
        managed: dict[str, str] = {}
        for operator in self.operators:
            path = f"operators.{operator['name']}"
            for namespace in operator["watches"]:
                if namespace not in known and self._given_watches(operator["name"]):
                    hint = nearest(namespace, known)
                    self.report.add(f"{path}.watches", f"{shown(namespace)} is not in namespaces; {hint}")
            kind = operator["manages"]
            if operator["provided"]:
                self._provided(path, operator, known)
            if operator["name"] in (BACKUP_PLUGIN, PROMETHEUS_OPERATOR):
                continue
            if kind is None:
                names = ", ".join(sorted(OPERATOR_OF))
                self.report.add(
                    f"{path}.manages", f"is missing; write a kind of store, or name the operator one of {names}"
                )
            elif kind in managed:
                self.report.add(f"{path}.manages", f"{kind} is managed by {managed[kind]} already; leave one out")
            else:
                managed[kind] = operator["name"]

    def _provided(self, path: str, operator: Entry, known: list[str]) -> None:
        """An operator that somebody else brought lives with somebody else."""
        if operator["manages"] == REDIS:
            self.report.add(
                f"{path}.provided",
                "Redis Enterprise's operator serves its own namespace only; bring one, in the namespace of the store",
            )
        elif operator.get("namespace") in known:
            self.report.add(
                f"{path}.provided",
                f"the operator's namespace {operator['namespace']} is in namespaces, so it is this platform's to close; "
                "leave it out there, or leave provided out",
            )

    def _given_watches(self, name: str) -> bool:
        return any("watches" in entry for entry in _named(self.platform.get("operators")) if entry["name"] == name)

    def _limits(self) -> None:
        for namespace in self.namespaces:
            for path, problem in unfitting(namespace, list(self._workloads())):
                self.report.add(path, problem)
            limits = namespace["limits"] or {}
            for lower, upper in (
                ("min", "default_request"),
                ("default_request", "default"),
                ("default", "max"),
                ("min", "max"),
            ):
                for kind in ("cpu", "memory"):
                    low, high = limits.get(lower, {}).get(kind), limits.get(upper, {}).get(kind)
                    if low is not None and high is not None and quantity(low) > quantity(high):
                        self.report.add(
                            f"namespaces.{namespace['name']}.limits.{lower}.{kind}",
                            f"{shown(low)} is above {upper}.{kind} {shown(high)}; write at most that",
                        )

    def _quotas(self) -> None:
        """A quota that cannot hold the workloads at their most, one replacement pod each included, stops an update half way."""
        for namespace in self.namespaces:
            here = [one for _path, one in self._workloads() if one.get("namespace") == namespace["name"]]
            needed = needs(here)
            for key, hard in (namespace["quota"] or {}).items():
                need = needed.get({"cpu": "requests.cpu", "memory": "requests.memory"}.get(key, key), Decimal(0))
                if quantity(hard) < need:
                    self.report.add(
                        f"namespaces.{namespace['name']}.quota.{key}",
                        f"{shown(hard)} is less than the {readable(key, need)} that its workloads need at their most, "
                        f"with one replacement pod each during an update; write at least '{readable(key, need)}'",
                    )


def _named(entries: Any) -> list[dict[str, Any]]:
    """The entries that have a name; of two with the same name, which is reported already, the first."""
    found: dict[str, dict[str, Any]] = {}
    for entry in entries or []:
        if "name" in entry:
            found.setdefault(entry["name"], entry)
    return list(found.values())
