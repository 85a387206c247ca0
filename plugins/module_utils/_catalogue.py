# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalogue: the one description of a platform, checked and with everything filled in that follows from it.

`mistakes` tells, in sentences, all that is wrong with a catalogue; `normalised` gives the form that everything else is derived from.
Both leave their input as it is, and both are plain functions over plain data.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils import _catalogue_defaults as fill
from ansible_collections.azora.platform.plugins.module_utils._catalogue_quotas import with_quota
from ansible_collections.azora.platform.plugins.module_utils._catalogue_references import References
from ansible_collections.azora.platform.plugins.module_utils._catalogue_schema import (
    KAFKA,
    PLATFORM,
    POSTGRESQL,
    REDIS,
)
from ansible_collections.azora.platform.plugins.module_utils._catalogue_shape import INVALID, Report

NAME = "app.kubernetes.io/name"
PART_OF = "app.kubernetes.io/part-of"
MANAGED_BY = "app.kubernetes.io/managed-by"
COMPONENT = "app.kubernetes.io/component"
COLLECTION = "azora.platform"


class CatalogueError(ValueError):
    """The catalogue is wrong; `mistakes` has one sentence each."""

    def __init__(self, mistakes: list[str]) -> None:
        super().__init__(" ".join(mistakes))
        self.mistakes = mistakes


def mistakes(platform: Any) -> list[str]:
    """Every mistake of a catalogue, one sentence each: the key, what is wrong, what would be right."""
    return _checked(platform)[1]


def normalised(platform: Any) -> dict[str, Any]:
    """The catalogue with every default filled in and everything derived that more than one reader needs."""
    cleaned, sentences = _checked(platform)
    if sentences:
        raise CatalogueError(sentences)
    name = cleaned["name"]
    domain = cleaned.get("cluster_domain", "cluster.local")
    defaults = cleaned.get("defaults", {})
    stores = [_store(fill.filled_store(entry)) for entry in cleaned.get("stores", [])]
    services = [fill.filled_service(entry, defaults) for entry in cleaned["services"]]
    gateway = None
    workloads = services
    if cleaned.get("gateway"):
        gateway = fill.filled_gateway(cleaned["gateway"], defaults)
        gateway["calls"] = [service["name"] for service in services if service["expose"]]
        workloads = [gateway, *services]
    for workload in workloads:
        _complete(workload, workloads, stores, name, domain)
    for store in stores:
        store["clients"] = [
            {
                "name": workload["name"],
                "namespace": workload["namespace"],
                "id": workload["id"],
                "selector": dict(workload["selector"]),
                "port": use["port"],
            }
            for workload in workloads
            for use in workload["stores"]
            if use["name"] == store["name"]
        ]
    operators = [fill.filled_operator(entry, stores) for entry in cleaned.get("operators", [])]
    monitoring = fill.filled_monitoring(cleaned.get("monitoring"))
    return {
        "name": name,
        "cluster_domain": domain,
        "labels": {PART_OF: name, MANAGED_BY: COLLECTION},
        "namespaces": [
            with_quota(
                fill.filled_namespace(entry), workloads, [*stores, *operators, *([monitoring] if monitoring else [])]
            )
            for entry in cleaned["namespaces"]
        ],
        "operators": operators + fill.derived_operators(operators, stores, monitoring),
        "stores": stores,
        "services": copy.deepcopy(services),
        "gateway": copy.deepcopy(gateway),
        "workloads": copy.deepcopy(workloads),
        "monitoring": monitoring,
    }


def _checked(platform: Any) -> tuple[dict[str, Any], list[str]]:
    report = Report()
    if not isinstance(platform, Mapping):
        report.add("", "is not a dictionary; write name, namespaces and services")
        return {}, list(report)
    cleaned = PLATFORM.clean(platform, "", report)
    if cleaned is INVALID:
        return {}, list(report)
    References(cleaned, report).check()
    return cleaned, list(dict.fromkeys(report))


def _complete(
    workload: dict[str, Any],
    workloads: list[dict[str, Any]],
    stores: list[dict[str, Any]],
    platform: str,
    domain: str,
) -> None:
    """Add what follows from the workload's name, its callers and the stores it uses."""
    name, namespace = workload["name"], workload["namespace"]
    selector = {NAME: name, PART_OF: platform}
    host = f"{name}.{namespace}.svc.{domain}"
    workload.update(
        {
            "id": f"{namespace}/{name}",
            "container": name,
            "selector": selector,
            "labels": {**selector, MANAGED_BY: COLLECTION, COMPONENT: workload["component"]},
            "host": host,
            "url": f"http://{host}:{workload['ports']['http']}",
            "callers": [other["name"] for other in workloads if name in other["calls"]],
            "stores": [_use(use, stores, name, domain) for use in workload["stores"]],
        }
    )
    for probe in workload["probes"].values():
        port = probe["port"]
        probe["port_number"] = workload["ports"][port] if isinstance(port, str) else port


def _use(use: dict[str, Any], stores: list[dict[str, Any]], workload: str, domain: str) -> dict[str, Any]:
    """What a workload must know of a store to use it."""
    store = next(entry for entry in stores if entry["name"] == use["name"])
    cluster, zone = store["cluster"], f"{store['namespace']}.svc.{domain}"
    found = {
        "name": store["name"],
        "kind": store["kind"],
        "id": store["id"],
        "namespace": store["namespace"],
        "cluster": cluster,
    }
    if store["kind"] == KAFKA:
        return found | {
            "host": f"{cluster}-kafka-bootstrap.{zone}",
            "port": store["port"],
            "produce": list(use.get("produce", [])),
            "consume": list(use.get("consume", [])),
            "group": use.get("group", workload),
            "user": workload,
        }
    database = next(entry for entry in store["databases"] if entry["name"] == use["database"])
    if store["kind"] == POSTGRESQL:
        return found | {
            "host": f"{cluster}-rw.{zone}",
            "port": store["port"],
            "database": database["name"],
            "user": database["owner"],
        }
    return found | {"host": f"{database['name']}.{zone}", "port": database["port"], "database": database["name"]}


def _store(store: dict[str, Any]) -> dict[str, Any]:
    """Add the names and labels that the store's operator gives its pods, and what they listen on."""
    cluster, kind = store["cluster"], store["kind"]
    if kind == POSTGRESQL:
        selector = {"cnpg.io/cluster": cluster, "cnpg.io/podRole": "instance"}
        listens = [_listen("postgresql", store["port"], "postgresql")]
    elif kind == REDIS:
        selector = {"app": "redis-enterprise", "redis.io/cluster": cluster, "redis.io/role": "node"}
        listens = [_listen(database["name"], database["port"], "redis") for database in store["databases"]]
    else:
        selector = {"strimzi.io/cluster": cluster, "strimzi.io/kind": "Kafka", "strimzi.io/name": f"{cluster}-kafka"}
        listens = [_listen("kafka", store["port"], "kafka")]
    if store["metrics_port"]:
        # Redis Enterprise serves its metrics over TLS.
        listens.append(_listen("metrics", store["metrics_port"], "https" if kind == REDIS else "http"))
    return {
        **store,
        "id": f"{store['namespace']}/{cluster}",
        "selector": selector,
        "container": fill.STORE_CONTAINER[kind],
        "listens": listens,
    }


def _listen(name: str, port: int, application: str) -> dict[str, Any]:
    return {"name": name, "port": port, "protocol": "TCP", "application": application}
