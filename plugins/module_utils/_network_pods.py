# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The pods that a catalogue speaks of, as network policies select them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._network_ends import Pods


def workload_pods(workload: Mapping[str, Any]) -> Pods:
    return Pods.of(workload["name"], workload["namespace"], workload["selector"])


def store_pods(store: Mapping[str, Any]) -> Pods:
    return Pods.of(store["cluster"], store["namespace"], store["selector"])


def operator_pods(operator: Mapping[str, Any], catalogue: Mapping[str, Any]) -> Pods:
    name = f"{operator['name']}-operator"
    if operator["provided"]:
        # Beside the policy of that name which whoever brought the operator has there.
        name = f"{catalogue['name']}-{name}"
    return Pods.of(name, operator["namespace"], operator["pod_labels"])


def redis_rigger(store: Mapping[str, Any]) -> Pods:
    """The services rigger: what Redis Enterprise runs beside its nodes and its operator."""
    return Pods(
        f"{store['cluster']}-services-rigger",
        store["namespace"],
        (("app", "redis-enterprise"),),
        (("name", "NotIn", ("redis-enterprise-operator",)), ("redis.io/role", "NotIn", ("node",))),
    )


def kafka_entity_operator(store: Mapping[str, Any]) -> Pods:
    name = f"{store['cluster']}-entity-operator"
    return Pods.of(name, store["namespace"], {"strimzi.io/cluster": store["cluster"], "strimzi.io/name": name})


def kafka_exporter(store: Mapping[str, Any]) -> Pods:
    name = f"{store['cluster']}-kafka-exporter"
    return Pods.of(name, store["namespace"], {"strimzi.io/cluster": store["cluster"], "strimzi.io/name": name})
