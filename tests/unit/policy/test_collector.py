# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Python's collector of cycles stays away from the engine, which leaves it nothing to do, and is there again afterwards."""

from __future__ import annotations

import gc

import pytest
from ansible_collections.azora.platform.plugins.module_utils._policy import Cluster
from ansible_collections.azora.platform.plugins.module_utils._policy_collector import no_collections
from random_clusters import ClusterMaker


@pytest.fixture
def collector():
    enabled = gc.isenabled()
    yield
    (gc.enable if enabled else gc.disable)()


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_afterwards_what_it_was_before(collector, enabled):
    (gc.enable if enabled else gc.disable)()
    with no_collections():
        assert not gc.isenabled()
    assert gc.isenabled() is enabled
    with pytest.raises(ValueError, match="an error inside"), no_collections():
        raise ValueError("an error inside")
    assert gc.isenabled() is enabled


def test_the_engine_leaves_no_cycles(collector):
    """Else they would stay until somebody collects."""
    objects = ClusterMaker(1).objects()
    gc.disable()
    gc.collect()
    cluster = Cluster.from_objects(objects)
    found = [cluster.connections(), cluster.difference([], world="cluster")]
    assert any(found)
    del cluster, found
    assert gc.collect() == 0
