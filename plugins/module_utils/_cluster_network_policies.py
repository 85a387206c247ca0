# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The floor under a catalogue's NetworkPolicies: cluster-level policies that deny what no NetworkPolicy decides.

The Baseline tier is asked only about pods and directions that no NetworkPolicy selects. While a namespace's default deny stands, the
floor says nothing; when somebody deletes it, the floor keeps shut what would else be open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._network_ends import EVERYTHING, NAMESPACE_LABEL
from ansible_collections.azora.platform.plugins.module_utils._network_policies import (
    chosen_namespaces,
    no_longer_derived,
    policy_labels,
)

API_VERSION, KIND = "policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy"
# Low comes first. Before a cluster's general defaults, so that none of them opens what the catalogue does not declare, with room
# before it for what an administrator means to open nevertheless.
PRIORITY = 100
# The empty selector: every namespace, the platform's own and the pod's own among them.
EVERY_NAMESPACE: dict[str, Any] = {"namespaces": {}}


def cluster_network_policies(
    catalogue: Mapping[str, Any], cluster: Mapping[str, Any], namespaces: Iterable[str] | None = None
) -> list[dict[str, Any]]:
    """The floor of each of the given namespaces (all of the catalogue's by default); nothing where the API is not served."""
    wanted = sorted(set(chosen_namespaces(catalogue, namespaces)))
    if API_VERSION not in (cluster.get("served_apis") or []):
        return []
    return [_floor(catalogue, name) for name in wanted]


def stale_cluster_policies(
    catalogue: Mapping[str, Any],
    found: Iterable[Mapping[str, Any]],
    derived: Iterable[Mapping[str, Any]],
    namespaces: Iterable[str] | None = None,
) -> list[dict[str, Any]]:
    """Of the cluster-level policies found, those of this platform that the catalogue no longer asks for."""
    looked_at = None if namespaces is None else {_name(catalogue, namespace) for namespace in namespaces}
    return [
        {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}}
        for name in sorted(no_longer_derived(catalogue, found, derived, lambda policy: str(policy["metadata"]["name"])))
        if looked_at is None or name in looked_at
    ]


def _name(catalogue: Mapping[str, Any], namespace: str) -> str:
    # Neither name can have a dot, so no two platforms ever mean the same object.
    return f"{catalogue['name']}.{namespace}.floor"


def _floor(catalogue: Mapping[str, Any], namespace: str) -> dict[str, Any]:
    """Nothing that is known of the cluster is in it, so nothing of it can be wrong: no exception, not even for DNS.

    An object for each namespace, so that a stage that lays the floor of some namespaces leaves the others as they are. The API knows no
    sources but pods: what comes from outside the cluster is not for a cluster-level policy to deny.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": _name(catalogue, namespace), "labels": policy_labels(catalogue)},
        "spec": {
            "tier": "Baseline",
            "priority": PRIORITY,
            # By its name, which nobody can take from a namespace, unlike any other label.
            "subject": {"namespaces": {"matchLabels": {NAMESPACE_LABEL: namespace}}},
            "ingress": [{"name": "nothing-in", "action": "Deny", "from": [EVERY_NAMESPACE]}],
            # The networks are every address, those of pods and nodes as well; pods are named nevertheless, for products that take
            # networks to mean what is outside.
            "egress": [
                {
                    "name": "nothing-out",
                    "action": "Deny",
                    "to": [EVERY_NAMESPACE, {"networks": [EVERYTHING[4], EVERYTHING[6]]}],
                }
            ],
        },
    }
