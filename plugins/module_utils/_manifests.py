# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every manifest of the platform shares: labels, names inside the cluster, security contexts, checksums."""

from __future__ import annotations

import hashlib
import json
import typing as t

Manifest = dict[str, t.Any]

CONTENT_DIGITS = 10
SECRETS_CHECKSUM = "azora.platform/secrets-checksum"
TEMPLATE_CHECKSUM = "azora.platform/template-checksum"


def manifest(
    api_version: str,
    kind: str,
    name: str,
    namespace: str | None = None,
    *,
    labels: t.Mapping[str, str] | None = None,
    annotations: t.Mapping[str, str] | None = None,
    **content: t.Any,
) -> Manifest:
    """A manifest with only the keys that are set: what is left out stays the cluster's business."""
    metadata: Manifest = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **content}


def config_map(name: str, namespace: str, *, labels: t.Mapping[str, str], data: t.Mapping[str, str]) -> Manifest:
    """A ConfigMap that never changes: its name ends with a checksum of its data, so that other data is another ConfigMap.

    Pods of an older revision keep theirs, and a return to that revision finds it; what no revision refers to any more is stale
    (`_config_maps`).
    """
    suffix = checksum(data)[:CONTENT_DIGITS]
    return manifest("v1", "ConfigMap", f"{name}-{suffix}", namespace, labels=labels, data=dict(data), immutable=True)


def without_empty(content: t.Mapping[str, t.Any]) -> Manifest:
    """The mapping without its keys that hold nothing (None, "", [] or {}); 0 and false stay."""
    return {key: value for key, value in content.items() if value is not None and value not in ("", [], {})}


def merged(base: t.Any, over: t.Any) -> t.Any:
    """`over` laid over `base`: mappings are merged at every depth, anything else is replaced."""
    if isinstance(base, t.Mapping) and isinstance(over, t.Mapping):
        result = dict(base)
        for key, value in over.items():
            result[key] = merged(result[key], value) if key in result else value
        return result
    return over


def platform_labels(catalogue: t.Mapping[str, t.Any], name: str, component: str) -> dict[str, str]:
    """Labels of what belongs to the platform but to none of its workloads."""
    return {
        "app.kubernetes.io/name": name,
        **catalogue["labels"],
        "app.kubernetes.io/component": component,
    }


def checksum(content: t.Any) -> str:
    """The same content gives the same text, whatever the order of its keys; it does not reveal the content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def template_checksum(template: t.Mapping[str, t.Any]) -> str | None:
    """What a pod template says of itself; nothing where somebody else made it."""
    annotations: t.Mapping[str, str] = template["metadata"].get("annotations") or {}
    return annotations.get(TEMPLATE_CHECKSUM)


def pod_security_context(
    *, openshift: bool, run_as_user: int = 0, chosen: t.Mapping[str, t.Any] | None = None
) -> Manifest:
    """The restricted Pod Security Standard. OpenShift assigns users itself and refuses pods that choose one.

    What the workload has chosen in the catalogue comes before RUN_AS_USER, which is for all of them.
    """
    context: Manifest = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    if openshift:
        return context
    given = chosen or {}
    user = given.get("run_as_user") or run_as_user
    wanted = {
        "runAsUser": user,
        "runAsGroup": given.get("run_as_group") or user,
        "fsGroup": given.get("fs_group") or user,
    }
    return context | {key: int(number) for key, number in wanted.items() if number}


def container_security_context(chosen: t.Mapping[str, t.Any] | None = None) -> Manifest:
    given = chosen or {}
    capabilities: Manifest = {"drop": ["ALL"]}
    if given.get("bind_low_ports"):
        # The one capability that the restricted standard allows.
        capabilities["add"] = ["NET_BIND_SERVICE"]
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": capabilities,
        "readOnlyRootFilesystem": bool(given.get("read_only_root_filesystem", True)),
        "runAsNonRoot": True,
    }


def of_kind(catalogue: t.Mapping[str, t.Any], kind: str) -> list[Manifest]:
    """The catalogue's stores of a kind."""
    return [store for store in catalogue["stores"] if store["kind"] == kind]


def uses_of(workload: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any]) -> list[Manifest]:
    """What a workload uses of a store: a database each, or the topics it produces and consumes."""
    return [use for use in workload["stores"] if use["name"] == store["name"]]


def clients_of(catalogue: t.Mapping[str, t.Any], store: t.Mapping[str, t.Any]) -> list[Manifest]:
    """The workloads that use a store, in the catalogue's order."""
    return [workload for workload in catalogue["workloads"] if uses_of(workload, store)]
