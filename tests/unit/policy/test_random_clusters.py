# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine and the second evaluator must agree about every connection of clusters made by chance."""

from __future__ import annotations

import os
import random

import pytest
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_addresses import given_range
from ansible_collections.azora.platform.plugins.module_utils._policy_evaluation import DESTINATION, SOURCE
from ansible_collections.azora.platform.plugins.module_utils._policy_explanation import Cell, explained
from naive_evaluator import ALLOWED, DENIED, UNDEFINED, NaiveEvaluator
from random_clusters import OUTSIDE, PROBED_PORTS, PROTOCOLS, ClusterMaker

CLUSTERS = int(os.environ.get("AZORA_RANDOM_CLUSTERS", "10000"))
BATCHES = 10
CELLS = 24
EXPLAINED = 3


def word(segment, bit):
    if segment.allowed >> bit & 1:
        return ALLOWED
    return UNDEFINED if segment.undefined >> bit & 1 else DENIED


def at(line, protocol, port):
    [found] = [one for one in line if one.protocol == protocol and one.first <= port <= one.last]
    return found


def joined(decisions):
    outcomes = [decision.outcome for decision in decisions]
    return DENIED if DENIED in outcomes else UNDEFINED if UNDEFINED in outcomes else ALLOWED


def check(seed):
    objects = ClusterMaker(seed).objects()
    naive = NaiveEvaluator(objects)
    cluster = Cluster.from_objects(objects)
    evaluation = cluster.evaluation
    assert all(isinstance(sentence, str) for sentence in cluster.warnings)
    partition = evaluation.partition
    pods = {(one["metadata"]["namespace"], one["metadata"]["name"]): one for one in naive.of_kind["Pod"]}
    ends = [
        (pods[pod.namespace, pod.name], partition.group_of_pod[number])
        for number, pod in enumerate(cluster.inventory.pods)
    ]
    ends += [(address, next(iter_bits(partition.at(given_range(address))))) for address in OUTSIDE]
    chance = random.Random(seed)
    for number in range(CELLS):
        (source, source_group), (destination, destination_group) = chance.choice(ends), chance.choice(ends)
        if source is destination or (isinstance(source, str) and isinstance(destination, str)):
            continue
        protocol, port = chance.randrange(3), chance.choice(PROBED_PORTS)
        expected = naive.verdict(source, destination, PROTOCOLS[protocol], port)
        where = f"seed {seed}: {shown(source)} to {shown(destination)}, {PROTOCOLS[protocol]} {port}"
        forth = at(evaluation.line(source_group, SOURCE), protocol, port)
        assert word(forth, destination_group) == expected, where
        if number < EXPLAINED:
            back = at(evaluation.line(destination_group, DESTINATION), protocol, port)
            assert word(back, source_group) == expected, f"{where}, seen from the destination"
            decisions = explained(evaluation, Cell(source_group, destination_group, protocol, port))
            assert joined(decisions) == expected, f"{where}, explained by {[one.sentence for one in decisions]}"


def iter_bits(bits):
    return (place for place in range(bits.bit_length()) if bits >> place & 1)


def shown(end):
    return end if isinstance(end, str) else f"{end['metadata']['namespace']}/{end['metadata']['name']}"


@pytest.mark.parametrize("batch", range(BATCHES))
def test_engine_and_second_evaluator_agree(batch):
    for seed in range(batch, CLUSTERS, BATCHES):
        check(seed)
