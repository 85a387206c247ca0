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
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._policy_connections import connections
from ansible_collections.azora.platform.plugins.module_utils._policy_ends import Ends
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import Evaluation
from ansible_collections.azora.platform.plugins.module_utils._policy_inventory import read_objects
from ansible_collections.azora.platform.plugins.module_utils._policy_model import Inventory
from ansible_collections.azora.platform.plugins.module_utils._policy_partition import Partition
from ansible_collections.azora.platform.plugins.module_utils._policy_queries import answered, queries_from


class Cluster:
    """The objects of one cluster, or of the manifests for one."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self.ends = Ends(inventory)
        self._evaluation: Evaluation | None = None

    @classmethod
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
            policies = self.inventory.policies
            self._evaluation = Evaluation(Partition(self.inventory, policies), policies)
        return self._evaluation

    @property
    def warnings(self) -> list[str]:
        return self.inventory.warnings

    @property
    def not_judged(self) -> list[str]:
        """Policies of other kinds that also decide about connections."""
        return self.inventory.not_judged

    def evaluate(self, queries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """For each query whether it is allowed, and what decides; in the order of the queries."""
        return [answered(query, self.evaluation, self.ends) for query in queries_from(queries, self.ends)]

    def connections(self, namespaces: Collection[str] = ()) -> list[dict[str, Any]]:
        """Everything that is open."""
        return list(connections(self.evaluation, namespaces))
