# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Kafka that is made anew over kept volumes waits for the id that they have."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kafka_recovery import returning_clusters

KAFKA: dict[str, t.Any] = {
    "kind": "Kafka",
    "metadata": {"name": "bus", "namespace": "data", "labels": {"a": "b"}},
    "spec": {},
}
POOL = {"kind": "KafkaNodePool", "metadata": {"name": "bus", "namespace": "data"}}
VOLUME: dict[str, t.Any] = {
    "metadata": {
        "namespace": "data",
        "labels": {"strimzi.io/cluster": "bus"},
        "annotations": {"azora.platform/kafka-cluster-id": "old-id"},
    }
}


def test_it_gets_the_old_id_and_is_paused_until_then() -> None:
    [returning] = returning_clusters([POOL, KAFKA], [VOLUME, VOLUME], [])
    assert (returning["namespace"], returning["name"], returning["cluster_id"]) == ("data", "bus", "old-id")
    assert returning["manifest"]["metadata"]["annotations"] == {"strimzi.io/pause-reconciliation": "true"}
    assert returning["manifest"]["metadata"]["labels"] == {"a": "b"}
    assert "annotations" not in KAFKA["metadata"]


def test_one_that_was_left_without_an_id_half_way_is_finished() -> None:
    assert returning_clusters([KAFKA], [VOLUME], [{**KAFKA, "status": {"conditions": []}}])


@pytest.mark.parametrize(
    ("volumes", "standing"),
    [
        ([], []),
        ([{"metadata": {"namespace": "data", "labels": {"strimzi.io/cluster": "bus"}}}], []),
        ([{"metadata": {**VOLUME["metadata"], "namespace": "elsewhere"}}], []),
        ([VOLUME], [{**KAFKA, "status": {"clusterId": "old-id"}}]),
    ],
    ids=["no volumes", "volumes without a note", "another namespace", "it stands"],
)
def test_others_are_made_as_ever(volumes: list[t.Any], standing: list[t.Any]) -> None:
    assert returning_clusters([KAFKA], volumes, standing) == []
