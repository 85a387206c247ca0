# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the module reachability_info is asked, answered from objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy import MENDS, Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_expectation import CLUSTER, DECLARED

WORLDS = (DECLARED, CLUSTER)
LIMIT = 1000
OPTIONS: dict[str, dict[str, Any]] = {
    "manifests": {"type": "list", "elements": "raw"},
    "queries": {"type": "list", "elements": "dict"},
    "expected": {"type": "list", "elements": "dict"},
    "world": {"type": "str", "choices": list(WORLDS), "default": DECLARED},
    "workloads": {"type": "list", "elements": "dict", "default": []},
    "namespaces": {"type": "list", "elements": "str", "default": []},
    "pod_networks": {"type": "list", "elements": "str", "default": []},
    "limit": {"type": "int", "default": LIMIT},
    "suggestions": {"type": "int", "default": MENDS},
}


def reachability(objects: Iterable[Any], options: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The module's result, and warnings."""
    cluster = Cluster.from_objects(objects, workloads=options["workloads"], pod_networks=options["pod_networks"])
    result: dict[str, Any] = {"not_judged": cluster.not_judged, "summary": cluster.summary}
    warnings = cluster.warnings
    if options["queries"] is not None:
        result["results"] = cluster.evaluate(options["queries"])
    if options["expected"] is not None:
        found = cluster.difference(
            options["expected"],
            world=options["world"],
            namespaces=options["namespaces"],
            limit=options["limit"],
            mends=options["suggestions"],
        )
        warnings = [*warnings, *found.pop("warnings")]
        result.update(found, passed=not any(found["counts"].values()))
    if options["queries"] is None and options["expected"] is None:
        result["connections"] = cluster.connections(options["namespaces"])
    return result, [*warnings, *_not_judged(cluster)]


def _not_judged(cluster: Cluster) -> list[str]:
    if not cluster.not_judged:
        return []
    kinds = ", ".join(dict.fromkeys(words.partition(" ")[0] for words in cluster.not_judged))
    return [
        f"policies that only their own product can judge are left out, {len(cluster.not_judged)} of the kinds {kinds}; they may close, or "
        "open, more than is told here"
    ]
