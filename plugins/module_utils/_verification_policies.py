# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The live policies beside the packets: what should come of each connection by the word of the policies alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client_reachability import read_objects
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import POLICY_READERS
from ansible_collections.azora.platform.plugins.module_utils._policy_model import PolicyInputError
from ansible_collections.azora.platform.plugins.module_utils._verification_input import Connection

ALLOWED = "allowed"
# In the order in which they decide; a kind of two tiers comes twice.
LEVELS = (
    ("ClusterNetworkPolicy", "ClusterNetworkPolicy Admin"),
    ("AdminNetworkPolicy", "AdminNetworkPolicy"),
    ("NetworkPolicy", "NetworkPolicy"),
    ("ClusterNetworkPolicy", "ClusterNetworkPolicy Baseline"),
    ("BaselineAdminNetworkPolicy", "BaselineAdminNetworkPolicy"),
)


@dataclass(frozen=True)
class PolicyVerdict:
    """What the policies say about one connection; with `partial`, not the same of all pods."""

    allowed: bool
    partial: bool
    decided_by: Sequence[Mapping[str, Any]]

    @property
    def because(self) -> str:
        """Why it is denied, or if it is not, why it is allowed: in one clause."""
        telling = [one for one in self.decided_by if one["outcome"] != ALLOWED] or self.decided_by
        return "; ".join(str(one["sentence"]) for one in telling)


@dataclass(frozen=True)
class PolicyJudgement:
    """One verdict for each connection, in their order; none, with the reason, where the policies could not be judged."""

    verdicts: Sequence[PolicyVerdict | None] = ()
    unread: str = ""
    not_judged: Sequence[str] = field(default_factory=tuple)
    # What was judged, as lists of the API.
    objects: Sequence[Mapping[str, Any]] = ()

    @property
    def levels(self) -> list[str]:
        """The levels of policies that this cluster serves and that were judged, whether or not there is a policy of them."""
        served = {
            kind
            for version, kind in POLICY_READERS
            if any(one["apiVersion"] == version and one["kind"] == f"{kind}List" for one in self.objects)
        }
        return [level for kind, level in LEVELS if kind in served]


@dataclass(frozen=True)
class LivePolicies:
    """Every policy and what it selects, as lists of the API; or why they could not be read."""

    objects: Sequence[Mapping[str, Any]] = ()
    unread: str = ""


def read_policies(client: KubernetesClient) -> LivePolicies:
    """A right that is missing is a reason, no error."""
    try:
        objects, _warnings = read_objects(client)
    except KubernetesError as error:
        return LivePolicies(unread=f"the policies could not be read: {error}")
    return LivePolicies(objects)


def judge_policies(
    live: LivePolicies, workloads: Sequence[Mapping[str, Any]], connections: Sequence[Connection]
) -> PolicyJudgement:
    """What they say about each connection."""
    if live.unread:
        return PolicyJudgement([None] * len(connections), live.unread)
    try:
        cluster = Cluster.from_objects(live.objects, workloads=workloads)
        answers = cluster.evaluate([_query(row) for row in connections])
    except PolicyInputError as error:
        return PolicyJudgement([None] * len(connections), f"the policies cannot be judged: {error}")
    verdicts = [PolicyVerdict(one["allowed"], one["partial"], one["decided_by"]) for one in answers]
    return PolicyJudgement(verdicts, not_judged=tuple(cluster.not_judged), objects=live.objects)


def _query(row: Connection) -> dict[str, Any]:
    destination = row.address if row.address is not None else row.destination
    return {"source": row.source, "destination": destination, "port": row.port, "protocol": row.protocol}
