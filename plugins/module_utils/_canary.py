# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Canaries: a Deployment of which one pod is of the new revision, in traffic like the others, until somebody lets the rest follow.

The Deployment itself is held back: a pod counts as available only after `minReadySeconds`, and with `maxUnavailable: 0` and
`maxSurge: 1` the controller makes no further one until then
(https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#min-ready-seconds). Applied as it is meant, it goes on. A second
Deployment would need policies, a budget and Services of its own, and what was verified would not be what is rolled out.
"""

from __future__ import annotations

import copy
import json
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, template_checksum

# On a Deployment that is held back; its value is what of the specification is as it was meant.
CANARY = "azora.platform/canary"
# Longer than any verification: a day.
HOLD_SECONDS = 86400
# What the one pod needs beside its Deployment.
KINDS_BEFORE = ("ServiceAccount", "ConfigMap", "Secret")


def canary_manifests(
    catalogue: Mapping[str, t.Any], manifests: Sequence[Manifest], live: Sequence[Mapping[str, t.Any]]
) -> list[Manifest]:
    """What to apply first: of each workload with `canary` whose template changes, the Deployment held back and what its pod reads.

    LIVE are the Deployments as they stand. One that is not there, or of which nothing serves, has nobody to protect.
    """
    wanted = {workload["id"] for workload in catalogue["workloads"] if workload["canary"]}
    standing = {_identity(one): one for one in live}
    found: list[Manifest] = []
    for manifest in manifests:
        identity = _identity(manifest)
        if manifest["kind"] != "Deployment" or identity not in wanted or identity not in standing:
            continue
        if is_canary(standing[identity]) or _serves_another(standing[identity], manifest):
            found += [one for one in manifests if one["kind"] in KINDS_BEFORE and _workload(one) == _workload(manifest)]
            found.append(_held_back(manifest, standing[identity]))
    return found


def is_canary(deployment: Mapping[str, t.Any]) -> bool:
    return CANARY in (deployment["metadata"].get("annotations") or {})


def canaries_among(live: Sequence[Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """The Deployments that are held back, by namespace and name."""
    return [{key: one["metadata"][key] for key in ("namespace", "name")} for one in live if is_canary(one)]


def released(manifest: Mapping[str, t.Any]) -> Manifest:
    """A Deployment that is held back, or not, as it was meant."""
    if not is_canary(manifest):
        return dict(manifest)
    result = copy.deepcopy(dict(manifest))
    meant = json.loads(result["metadata"]["annotations"].pop(CANARY))
    result["spec"] = result.get("spec", {}) | meant
    return result


def _identity(thing: Mapping[str, t.Any]) -> str:
    return f"{thing['metadata'].get('namespace', '')}/{thing['metadata']['name']}"


def _workload(thing: Mapping[str, t.Any]) -> tuple[t.Any, t.Any]:
    """Whose it is: everything of a workload has the same label."""
    return thing["metadata"].get("namespace"), (thing["metadata"].get("labels") or {}).get("app.kubernetes.io/name")


def _serves_another(live: Mapping[str, t.Any], manifest: Manifest) -> bool:
    is_other = template_checksum(live["spec"]["template"]) != template_checksum(manifest["spec"]["template"])
    return is_other and bool((live.get("status") or {}).get("availableReplicas"))


def _held_back(manifest: Manifest, live: Mapping[str, t.Any]) -> Manifest:
    meant = {key: manifest["spec"][key] for key in ("minReadySeconds", "progressDeadlineSeconds")}
    # The API wants the deadline beyond the seconds.
    held = {"minReadySeconds": HOLD_SECONDS, "progressDeadlineSeconds": HOLD_SECONDS + meant["progressDeadlineSeconds"]}
    if "replicas" in manifest["spec"]:
        # Another number of pods comes with the rest.
        held["replicas"] = live["spec"].get("replicas", 1)
    annotations = {**(manifest["metadata"].get("annotations") or {}), CANARY: json.dumps(meant, sort_keys=True)}
    return {
        **manifest,
        "metadata": {**manifest["metadata"], "annotations": annotations},
        "spec": {**manifest["spec"], **held},
    }
