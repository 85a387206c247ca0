# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what reachability is judged from: pods, namespaces, nodes, and policies of every kind that the cluster serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import (
    FOREIGN,
    POLICY_GROUP,
    POLICY_READERS,
)

# Without these there is nothing to judge.
NEEDED = {
    "/api/v1/namespaces": ("v1", "Namespace"),
    "/api/v1/pods": ("v1", "Pod"),
    "/apis/networking.k8s.io/v1/networkpolicies": ("networking.k8s.io/v1", "NetworkPolicy"),
}
NODES = "/api/v1/nodes"
FORBIDDEN = 403


def read_objects(client: KubernetesClient) -> tuple[list[dict[str, Any]], list[str]]:
    """The objects as lists, and warnings. A kind of policy that may not be read is an error: a judgement without it would lie."""
    groups = (client.get("/apis") or {}).get("groups") or []
    paths = {**NEEDED, **_served_policies(client, groups)}
    *found, nodes = together([*[lambda path=path: client.list(path) for path in paths], lambda: _nodes(client)])
    lists = [_as_list(version, kind, items) for (version, kind), items in zip(paths.values(), found, strict=True)]
    if nodes is None:
        return lists, ["the nodes of this cluster may not be read, so what depends on their addresses is not judged"]
    return [*lists, _as_list("v1", "Node", nodes)], []


def _nodes(client: KubernetesClient) -> list[dict[str, Any]] | None:
    try:
        return client.list(NODES)
    except KubernetesError as error:
        if error.status == FORBIDDEN:
            return None
        raise


def _as_list(version: str, kind: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"apiVersion": version, "kind": f"{kind}List", "items": items}


def _served_policies(client: KubernetesClient, groups: list[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """The paths of all kinds that decide about connections, judged or not, as far as this cluster serves them."""
    versions = []
    for group in groups:
        if group.get("name") == POLICY_GROUP:
            # Each version has kinds of its own.
            versions += [version["groupVersion"] for version in group.get("versions") or []]
        elif group.get("name") in FOREIGN:
            versions.append((group.get("preferredVersion") or group["versions"][0])["groupVersion"])
    resources = together([lambda version=version: client.get(f"/apis/{version}") for version in versions])
    # The same object in another version is not another object; a version that is judged counts before one that is not.
    chosen: dict[tuple[str, str], tuple[str, str]] = {}
    for version, served in zip(versions, resources, strict=True):
        group = version.partition("/")[0]
        for resource in (served or {}).get("resources") or []:
            kind, name = str(resource.get("kind")), str(resource.get("name"))
            if "/" in name or kind not in FOREIGN[group]:
                continue
            if (group, kind) not in chosen or (version, kind) in POLICY_READERS:
                chosen[group, kind] = version, name
    return {f"/apis/{version}/{name}": (version, kind) for (_group, kind), (version, name) in chosen.items()}
