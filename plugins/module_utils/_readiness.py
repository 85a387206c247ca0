# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Readiness of the stores' custom resources, as each vendor shows it: what is still missing, and what will not come."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Collection, Mapping

from ansible_collections.azora.platform.plugins.module_utils._postgres_volumes import FULL, full_sentence, is_full

POSTGRES_HEALTHY = "Cluster in healthy state"
# Phases that CloudNativePG does not leave by itself.
POSTGRES_DEAD_ENDS = (
    "Cluster is unrecoverable and needs manual intervention",
    FULL,
    "Invalid cluster definition",
    "Cluster cannot proceed to reconciliation due to an unknown plugin being required",
    "Cluster has incomplete or invalid image catalog",
    "Unable to create required cluster objects",
    "Waiting for user action",
)
REDIS_DEAD_ENDS = ("Invalid", "InvalidUpgrade")
# A user or a topic that the operator refuses stays refused until its specification changes.
KAFKA_DEAD_ENDS = ("InvalidResourceException", "InvalidConfigurationException", "InvalidStateException")


class Finding(t.NamedTuple):
    """What is missing for readiness, and whether waiting can help."""

    sentence: str
    hopeless: bool = False


def store_finding(resource: Mapping[str, t.Any], enlarged: Collection[str] = ()) -> Finding | None:
    """What a store's custom resource lacks by its vendor's sign; None where it is ready.

    A full volume stops being a dead end for the Clusters (namespace/name) whose volumes are being enlarged.
    """
    finding = STORE_KINDS[resource["kind"]].judge(resource)
    metadata = resource["metadata"]
    if finding is not None and is_full(resource) and f"{metadata['namespace']}/{metadata['name']}" in enlarged:
        return finding._replace(hopeless=False)
    return finding


def _status(resource: Mapping[str, t.Any]) -> Mapping[str, t.Any]:
    return resource.get("status") or {}


def _condition(resource: Mapping[str, t.Any], kind: str) -> Mapping[str, t.Any]:
    return next((entry for entry in _status(resource).get("conditions") or [] if entry.get("type") == kind), {})


def _is_stale(resource: Mapping[str, t.Any]) -> bool:
    generation = resource["metadata"].get("generation")
    return generation is not None and _status(resource).get("observedGeneration") != generation


def _postgres_cluster(resource: Mapping[str, t.Any]) -> Finding | None:
    status, wanted = _status(resource), resource["spec"]["instances"]
    phase, ready = status.get("phase") or "no phase yet", status.get("readyInstances") or 0
    condition = _condition(resource, "Ready")
    image, running = resource["spec"].get("imageName"), status.get("image")
    # This resource has no observedGeneration: right after a change the old phase stands, so the image is compared too.
    if image and running and image != running:
        return Finding(f"phase '{phase}', it still runs {running} instead of {image}")
    if phase == POSTGRES_HEALTHY and condition.get("status") == "True" and ready == wanted:
        return _unreconciled_roles(status) or _unarchived_log(resource)
    if is_full(resource):
        sentence = f"phase '{phase}', {ready} of {wanted} instances ready, {full_sentence(resource)}"
        return Finding(sentence, hopeless=True)
    reason = status.get("phaseReason") or (condition.get("message") if phase == POSTGRES_HEALTHY else "")
    sentence = f"phase '{phase}'{f' ({reason})' if reason else ''}, {ready} of {wanted} instances ready"
    return Finding(sentence, hopeless=phase in POSTGRES_DEAD_ENDS)


def _unreconciled_roles(status: Mapping[str, t.Any]) -> Finding | None:
    refused = (status.get("managedRolesStatus") or {}).get("cannotReconcile") or {}
    if not refused:
        return None
    reasons = "; ".join(f"role {role}: {', '.join(messages)}" for role, messages in sorted(refused.items()))
    return Finding(reasons)


def _unarchived_log(resource: Mapping[str, t.Any]) -> Finding | None:
    """A Cluster whose log does not arrive loses what its backups promise, and in the end its disk is full."""
    plugins = resource["spec"].get("plugins") or []
    if not any(plugin.get("isWALArchiver") and plugin.get("enabled", True) for plugin in plugins):
        return None
    archiving = _condition(resource, "ContinuousArchiving")
    if archiving.get("status") == "True":
        return None
    if not archiving:
        return Finding("no file of its write-ahead log has arrived in the object store yet")
    return Finding(
        f"its write-ahead log does not arrive in the object store ({archiving.get('message') or 'no reason given'})"
    )


def _postgres_database(resource: Mapping[str, t.Any]) -> Finding | None:
    status = _status(resource)
    if status.get("applied") is True and not _is_stale(resource):
        return None
    refused = [
        f"extension {entry.get('name')}: {entry.get('message')}"
        for entry in status.get("extensions") or []
        if entry.get("applied") is False and entry.get("message")
    ]
    details = [text for text in [status.get("message"), *refused] if text]
    return Finding(f"not applied ({'; '.join(details)})" if details else "not applied")


def _redis_cluster(resource: Mapping[str, t.Any]) -> Finding | None:
    status = _status(resource)
    state, specification = status.get("state") or "no state yet", status.get("specStatus") or "not judged yet"
    if state == "Running" and specification == "Valid":
        return None
    licence = (status.get("licenseStatus") or {}).get("licenseState")
    details = f", licence {licence}" if licence and licence != "Valid" else ""
    # "Error" shows briefly at a first start, so only a refused specification is final.
    hopeless = state in REDIS_DEAD_ENDS or specification in REDIS_DEAD_ENDS
    return Finding(f"state {state}, specification {specification}{details}", hopeless=hopeless)


def _redis_database(resource: Mapping[str, t.Any]) -> Finding | None:
    status = _status(resource)
    state, specification = status.get("status") or "no status yet", status.get("specStatus") or "not judged yet"
    if state == "active" and specification == "Valid" and not _is_stale(resource):
        return None
    hopeless = state == "creation-failed" or (specification in REDIS_DEAD_ENDS and not _is_stale(resource))
    details = f" ({status['lastActionStatus']})" if status.get("lastActionStatus") else ""
    return Finding(f"status {state}, specification {specification}{details}", hopeless=hopeless)


def _kafka(resource: Mapping[str, t.Any]) -> Finding | None:
    if _is_stale(resource):
        return Finding("the operator has not looked at its latest form yet")
    if _condition(resource, "Ready").get("status") == "True":
        return None
    condition = _condition(resource, "NotReady") or _condition(resource, "Ready")
    reason, message = condition.get("reason") or "no condition yet", condition.get("message") or ""
    return Finding(f"{reason}{f' ({message})' if message else ''}", hopeless=reason in KAFKA_DEAD_ENDS)


class StoreKind(t.NamedTuple):
    """A kind of custom resource that shows readiness, and what its collection is called in the API."""

    plural: str
    judge: Callable[[Mapping[str, t.Any]], Finding | None]


STORE_KINDS: dict[str, StoreKind] = {
    "Cluster": StoreKind("clusters", _postgres_cluster),
    "Database": StoreKind("databases", _postgres_database),
    "RedisEnterpriseCluster": StoreKind("redisenterpriseclusters", _redis_cluster),
    "RedisEnterpriseDatabase": StoreKind("redisenterprisedatabases", _redis_database),
    "Kafka": StoreKind("kafkas", _kafka),
    "KafkaTopic": StoreKind("kafkatopics", _kafka),
    "KafkaUser": StoreKind("kafkausers", _kafka),
}
