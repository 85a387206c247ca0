# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine, and the second evaluator, against the truth tables of the Kubernetes project's situations, cell by cell."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from naive_evaluator import ALLOWED, NaiveEvaluator
from situations import SITUATIONS, objects_of, truth


def test_all_situations_are_there():
    assert len(SITUATIONS) == 48


@pytest.mark.parametrize("title", SITUATIONS)
def test_situation(title):
    for number, step in enumerate(SITUATIONS[title]):
        objects = objects_of(step)
        cluster, naive = Cluster.from_objects(objects), NaiveEvaluator(objects)
        pods = {f"{one['metadata']['namespace']}/{one['metadata']['name']}": one for one in naive.of_kind["Pod"]}
        assert cluster.warnings == []
        for probe in step.probes:
            expected = truth(probe)
            queries = [
                {"source": source, "destination": destination, "protocol": probe.protocol, "port": probe.port}
                for source, destination in expected
            ]
            for query, answer in zip(queries, cluster.evaluate(queries), strict=True):
                cell = query["source"], query["destination"]
                where = f"step {number}: {' > '.join(cell)} {probe.protocol} {probe.port}"
                assert answer["allowed"] == expected[cell], f"{where}: {answer['decided_by']}"
                second = naive.verdict(pods[cell[0]], pods[cell[1]], probe.protocol, probe.port)
                assert (second == ALLOWED) == expected[cell], f"{where}, by the second evaluator"
