# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of objects that an API server serves, as its discovery tells, and the paths where their objects are."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

# What nobody puts there: it is measured, noted in passing, or follows from other objects.
PASSING_GROUPS = ("events.k8s.io", "metrics.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io")
PASSING_KINDS = frozenset(
    {"ComponentStatus", "ControllerRevision", "Endpoints", "EndpointSlice", "Event", "Lease", "PodTemplate"}
)


class ResourceType(t.NamedTuple):
    """One kind of object."""

    api_version: str
    kind: str
    plural: str
    is_namespaced: bool

    @property
    def group(self) -> str:
        return group_of(self.api_version)

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Where the objects are (of all namespaces, or of one), or where one of them is."""
        steps = [discovery_path(self.api_version)]
        if namespace and self.is_namespaced:
            steps.append(f"namespaces/{namespace}")
        steps.append(self.plural)
        if name:
            steps.append(name)
        return "/".join(steps)


def group_of(api_version: str) -> str:
    """The group of an apiVersion; that of the core is empty."""
    return api_version.rpartition("/")[0]


def discovery_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def served_versions(groups: Mapping[str, t.Any] | None) -> list[str]:
    """Every version of every group, from the answer to /apis: the core's first, and of each group the preferred one."""
    versions = ["v1"]
    for group in (groups or {}).get("groups") or []:
        if group["name"] in PASSING_GROUPS:
            continue
        preferred = group["preferredVersion"]["groupVersion"]
        versions += dict.fromkeys([preferred, *(version["groupVersion"] for version in group["versions"])])
    return versions


def each_once(types: Sequence[ResourceType]) -> list[ResourceType]:
    """Each kind by its first version only: all versions of a kind have the same objects."""
    found: dict[tuple[str, str], ResourceType] = {}
    for kind in types:
        found.setdefault((kind.group, kind.plural), kind)
    return list(found.values())


def resource_types(api_version: str, resources: Mapping[str, t.Any] | None) -> list[ResourceType]:
    """What can be listed and deleted, from the answer to the discovery of one version."""
    return [
        ResourceType(api_version, entry["kind"], entry["name"], bool(entry["namespaced"]))
        for entry in (resources or {}).get("resources") or []
        if "/" not in entry["name"]
        and {"list", "delete"} <= set(entry.get("verbs") or [])
        and entry["kind"] not in PASSING_KINDS
    ]
