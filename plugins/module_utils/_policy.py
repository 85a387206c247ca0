# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Static reachability: Kubernetes objects in, who may connect to whom out. Nothing is sent anywhere.

cluster = Cluster.from_objects(objects)
cluster.evaluate([{"source": "shop/front", "destination": "shop/Deployment/api", "port": 8080}])
cluster.connections()
cluster.difference(expected)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_collector import no_collections
from ansible_collections.azora.platform.plugins.module_utils._policy_connections import connections
from ansible_collections.azora.platform.plugins.module_utils._policy_difference import KINDS, differences
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import Evaluation
from ansible_collections.azora.platform.plugins.module_utils._policy_expectation import (
    DECLARED,
    Expectation,
    ExpectedMatrix,
    expectation_from,
)
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import read_objects
from ansible_collections.azora.platform.plugins.module_utils._policy_mending import mend
from ansible_collections.azora.platform.plugins.module_utils._policy_model import Inventory
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition
from ansible_collections.azora.platform.plugins.module_utils._policy_queries import answered, queries_from
from ansible_collections.azora.platform.plugins.module_utils._policy_remarks import remarks

# A change is sought, and proven, for so many differences; the first ones usually explain the others.
MENDS = 25


class Cluster:
    """The objects of one cluster, or of the manifests for one."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.ends = Ends(inventory)
        self._evaluation: Evaluation | None = None

    @classmethod
    @no_collections()
    def from_objects(
        cls,
        objects: Iterable[Any],
        *,
        workloads: Iterable[Mapping[str, Any]] = (),
        pod_networks: Sequence[str] = (),
        default_namespace: str = "default",
    ) -> Cluster:
        """PolicyInputError, with every mistake, for what the API server would not take either."""
        return cls(
            read_objects(objects, workloads=workloads, pod_networks=pod_networks, default_namespace=default_namespace)
        )

    @property
    def evaluation(self) -> Evaluation:
        if self._evaluation is None:
            self._evaluation = self._evaluated(Expectation())
        return self._evaluation

    def _evaluated(self, expectation: Expectation) -> Evaluation:
        """Over groups as fine as what is expected of them."""
        policies = self.inventory.policies
        return Evaluation(Partition(self.inventory, policies, expectation.cuts, expectation.names), policies)

    @property
    def warnings(self) -> list[str]:
        """What people should know about the input and about what was assumed."""
        return [*self.inventory.warnings, *remarks(self.evaluation)]

    @property
    def not_judged(self) -> list[str]:
        """Policies of other kinds that also decide about connections."""
        return self.inventory.not_judged

    @property
    def summary(self) -> dict[str, int]:
        """How much there is, and into how many groups that nothing tells apart it falls."""
        return {
            "pods": len(self.inventory.pods),
            "workloads": len(self.ends.workloads),
            "policies": len(self.inventory.policies),
            "groups": self.evaluation.partition.count,
        }

    @no_collections()
    def evaluate(self, queries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """For each query whether it is allowed, and what decides; in the order of the queries."""
        return [answered(query, self.evaluation, self.ends) for query in queries_from(queries, self.ends)]

    @no_collections()
    def connections(self, namespaces: Collection[str] = ()) -> list[dict[str, Any]]:
        """Everything that is open."""
        return list(connections(self.evaluation, namespaces))

    @no_collections()
    def difference(
        self,
        expected: Iterable[Mapping[str, Any]],
        *,
        world: str = DECLARED,
        namespaces: Collection[str] = (),
        limit: int | None = None,
        mends: int = MENDS,
    ) -> dict[str, Any]:
        """What is open and should not be, and what should be open and is not; the world is closed.

        At most `limit` pairs of each kind are told (all are counted), and for at most `mends` of all a change is sought.
        """
        expectation = expectation_from(expected, self.ends, world)
        evaluation = self._evaluated(expectation) if expectation.cuts or expectation.names else self.evaluation
        found = differences(evaluation, ExpectedMatrix(expectation, evaluation.partition), namespaces)
        told = {kind: list(islice(found.findings(kind), limit)) for kind in KINDS}
        ordered = [finding for kind in KINDS for finding in told[kind]]
        mend(found, ordered[:mends], self.ends)
        return {
            **{kind: [row for finding in told[kind] for row in finding.as_results(evaluation)] for kind in KINDS},
            "counts": {kind: found.count(kind) for kind in KINDS},
            "warnings": expectation.warnings,
        }
