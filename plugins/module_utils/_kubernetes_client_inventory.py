# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what stands in namespaces, whatever its kind: only who objects are and whose, never what is in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._inventory import Entry, inventory_entry
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import (
    KubernetesClient,
    KubernetesError,
    together,
)
from ansible_collections.azora.platform.plugins.module_utils._resource_types import (
    ResourceType,
    discovery_path,
    each_once,
    resource_types,
    served_versions,
)

NAMESPACE = ResourceType("v1", "Namespace", "namespaces", is_namespaced=False)
# Served and then not: a definition that goes at this moment.
ABSENT = 404


def served_types(client: KubernetesClient, api_versions: Sequence[str]) -> tuple[list[ResourceType], list[str]]:
    """The kinds of some versions, and a sentence about each version that could not be asked for. What is not served has none."""

    def ask(api_version: str) -> list[ResourceType] | str:
        try:
            return resource_types(api_version, client.get(discovery_path(api_version)))
        except KubernetesError as error:
            return f"could not ask what {api_version} serves: {error}"

    answers = together([lambda version=version: ask(version) for version in api_versions])
    types = [kind for answer in answers if not isinstance(answer, str) for kind in answer]
    return types, [answer for answer in answers if isinstance(answer, str)]


def read_inventory(
    client: KubernetesClient, namespaces: Sequence[str], labels: Mapping[str, str], groups: Sequence[str]
) -> dict[str, Any]:
    """What stands in the namespaces and in those that carry the labels, what else carries them, and all of the groups."""
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    standing = [inventory_entry(NAMESPACE, entry) for entry in client.list(NAMESPACE.path(), metadata_only=True)]
    labelled = [one["metadata"]["name"] for one in standing if labels.items() <= one["metadata"]["labels"].items()]
    present = {one["metadata"]["name"] for one in standing}
    places = [name for name in dict.fromkeys([*namespaces, *labelled]) if name in present]
    types, unread = served_types(client, served_versions(client.get("/apis")))

    def read(kind: ResourceType, namespace: str | None) -> list[Entry] | str:
        # Of the operators' kinds it matters which cluster they belong to, so they are read whole.
        of_operator = kind.group in groups
        chosen = "" if of_operator or namespace else selector
        try:
            found = client.list(kind.path(namespace), label_selector=chosen, metadata_only=not of_operator)
        except KubernetesError as error:
            return [] if error.status == ABSENT else f"could not look at {kind.kind}: {error}"
        return [inventory_entry(kind, entry) for entry in found]

    wanted: list[tuple[ResourceType, str | None]] = []
    for kind in each_once(types):
        if kind == NAMESPACE:
            continue
        everywhere = kind.group in groups or not kind.is_namespaced
        wanted += [(kind, None)] if everywhere else [(kind, place) for place in places]
    answers = together([lambda one=one: read(*one) for one in wanted])
    return {
        "namespaces": [one for one in standing if one["metadata"]["name"] in places],
        "objects": [entry for answer in answers if not isinstance(answer, str) for entry in answer],
        "unread": [*unread, *dict.fromkeys(answer for answer in answers if isinstance(answer, str))],
    }
