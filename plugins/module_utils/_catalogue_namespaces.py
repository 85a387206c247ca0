# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The namespaces of a catalogue: closed from their first moment, with their Pod Security level, quota and limits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue import COLLECTION, MANAGED_BY, PART_OF
from ansible_collections.azora.platform.plugins.module_utils._catalogue_quotas import SHARED_NAMESPACE
from ansible_collections.azora.platform.plugins.module_utils._network_policies import default_deny

LIMIT_FIELDS = {"default": "default", "default_request": "defaultRequest", "max": "max", "min": "min"}


class UnknownNamespaceError(ValueError):
    """A namespace was asked for that the catalogue does not have."""


def namespace_manifests(catalogue: Mapping[str, Any], names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Namespaces first, their default deny next, then quotas and limits, so that a list applied in order leaves no gap."""
    known = {namespace["name"]: namespace for namespace in catalogue["namespaces"]}
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    for name in wanted:
        if name not in known:
            raise UnknownNamespaceError(f"{name} is not a namespace of the catalogue; known: {', '.join(known)}")
    chosen = [known[name] for name in wanted]
    manifests = [_namespace(catalogue, namespace) for namespace in chosen]
    manifests += [default_deny(catalogue, name) for name in wanted]
    manifests += [_quota(catalogue, namespace) for namespace in chosen if namespace["quota"]]
    manifests += [_limits(catalogue, namespace) for namespace in chosen if namespace["limits"]]
    return manifests


def foreign_claims(catalogue: Mapping[str, Any], found: Iterable[Mapping[str, Any]]) -> list[str]:
    """One sentence for each namespace of the catalogue that another platform of this collection has closed already."""
    owned = {namespace["name"] for namespace in catalogue["namespaces"]}
    sentences = []
    for namespace in found:
        name = namespace["metadata"]["name"]
        platform = (namespace["metadata"].get("labels") or {}).get(PART_OF)
        # Others use that label, too; only this collection closes what it labels.
        if name in owned and platform not in (None, catalogue["name"]) and _is_closed(namespace):
            sentences.append(
                f"namespaces.{name}: belongs to the platform '{platform}' on this cluster; give '{catalogue['name']}' "
                "namespaces of its own, or take the other platform away first (playbooks/teardown.yml)"
            )
    return sentences


def _is_closed(namespace: Mapping[str, Any]) -> bool:
    labels = namespace["metadata"].get("labels") or {}
    return namespace["metadata"]["name"] == SHARED_NAMESPACE or labels.get(MANAGED_BY) == COLLECTION


def _namespace(catalogue: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    security = namespace["pod_security"]
    labels = dict(namespace["labels"])
    for mode in ("enforce", "audit", "warn"):
        labels[f"pod-security.kubernetes.io/{mode}"] = security[mode]
        labels[f"pod-security.kubernetes.io/{mode}-version"] = security["version"]
    ours = dict(catalogue["labels"])
    if namespace["name"] == SHARED_NAMESPACE:
        # Closed by this platform, but not its own: nobody may take the label as leave to delete it.
        del ours[MANAGED_BY]
    metadata = {"name": namespace["name"], "labels": {**labels, **ours}}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}


def _quota(catalogue: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": _metadata(catalogue, namespace),
        "spec": {"hard": dict(namespace["quota"])},
    }


def _limits(catalogue: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    limits = {LIMIT_FIELDS[key]: dict(amounts) for key, amounts in namespace["limits"].items()}
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": _metadata(catalogue, namespace),
        "spec": {"limits": [{"type": "Container", **limits}]},
    }


def _metadata(catalogue: Mapping[str, Any], namespace: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": catalogue["name"], "namespace": namespace["name"], "labels": dict(catalogue["labels"])}
