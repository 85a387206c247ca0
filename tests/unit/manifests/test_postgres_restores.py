# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A recovery makes a cluster of its own beside the old one, and opens for it only what the old one has."""

from __future__ import annotations

import copy
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.filter.postgres_restore import postgres_restore
from ansible_collections.azora.platform.plugins.module_utils import _catalogue

CLUSTER = {
    "pod_cidrs": ["10.154.0.0/16"],
    "service_cidrs": ["10.155.0.0/17"],
    "node_cidrs": ["10.155.128.11/32", "10.155.128.12/32"],
    "api_server": [{"address": "10.155.128.2", "port": 6443}],
    "dns": {
        "namespace": "kube-system",
        "pod_labels": {"k8s-app": "kube-dns"},
        "addresses": ["10.155.0.10"],
        "ports": [{"name": "dns", "protocol": "UDP", "port": 53, "service_port": 53}],
    },
}


@pytest.fixture
def backed_up(platform: dict[str, t.Any]) -> dict[str, t.Any]:
    given = copy.deepcopy(platform)
    given["stores"][0]["backup"] = {"destination": "s3://shop/pg", "endpoint": "https://s3.example.org:9000"}
    return _catalogue.normalised(given)


@pytest.fixture
def restored(backed_up, settings) -> t.Callable[..., dict[str, t.Any]]:
    def call(name: str = "pg-2", **target: str) -> dict[str, t.Any]:
        [store] = [one["name"] for one in backed_up["stores"] if one["kind"] == "postgresql"]
        return postgres_restore(
            backed_up,
            CLUSTER,
            settings=settings("postgres"),
            store=target.pop("store", store),
            name=name,
            target=target,
        )

    return call


def test_the_new_cluster_begins_from_the_old_ones_backups_and_archives_under_its_own_name(restored, find):
    spec = find(restored(time="2026-01-01 12:00:00+00")["manifests"], "Cluster", "pg-2")["spec"]
    assert set(spec["bootstrap"]) == {"recovery"}
    recovery = spec["bootstrap"]["recovery"]
    [origin] = spec["externalClusters"]
    assert recovery == {"source": origin["name"], "recoveryTarget": {"targetTime": "2026-01-01 12:00:00+00"}}
    assert origin["plugin"]["parameters"] == {"barmanObjectName": "pg-backups", "serverName": "pg"}
    assert spec["plugins"][0]["parameters"]["serverName"] == "pg-2"


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({}, None),
        ({"lsn": "0/5000000"}, {"targetLSN": "0/5000000"}),
        ({"backup": "20260101T000000"}, {"backupID": "20260101T000000", "targetImmediate": True}),
    ],
)
def test_the_moment_is_what_was_asked_for(restored, find, target, expected):
    spec = find(restored(**target)["manifests"], "Cluster", "pg-2")["spec"]
    assert spec["bootstrap"]["recovery"].get("recoveryTarget") == expected


def test_backups_under_another_name_are_found_there(restored, find):
    spec = find(restored(server_name="pg-old")["manifests"], "Cluster", "pg-2")["spec"]
    assert spec["externalClusters"][0]["plugin"]["parameters"]["serverName"] == "pg-old"
    assert spec["plugins"][0]["parameters"]["serverName"] == "pg-2"


def test_nothing_of_the_old_cluster_is_touched(restored, backed_up):
    result = restored()
    assert "pg" not in {manifest["metadata"]["name"] for manifest in result["manifests"]}
    assert {policy["metadata"]["name"].split("-")[0] for policy in result["policies"]} == {"recovered"}
    assert [store["cluster"] for store in result["catalogue"]["stores"]] == ["pg-2"]
    # The one that is given stays as it is.
    assert "pg-2" not in {store["cluster"] for store in backed_up["stores"]}


def test_only_the_new_cluster_gets_policies_and_no_client_reaches_it(restored):
    policies = restored()["policies"]
    assert policies
    ends = [
        {str(policy["spec"]["podSelector"])}
        | {
            str(peer)
            for direction, side in (("ingress", "from"), ("egress", "to"))
            for rule in policy["spec"].get(direction, [])
            for peer in rule.get(side, [])
        }
        for policy in policies
    ]
    assert all(any("pg-2" in end for end in one) for one in ends)
    assert not any("azora.io/service" in end for one in ends for end in one)


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"name": "pg"}, ["restore_cluster", "'pg'", "new name"]),
        ({"store": "nothing"}, ["restore_store", "'nothing'", "known:"]),
        ({"time": "2026-01-01 12:00:00+00", "lsn": "0/5000000"}, ["restore_time and restore_lsn", "one moment"]),
        ({"time": "yesterday"}, ["restore_time is 'yesterday'", "2026-01-31 14:05:00+00"]),
        ({"lsn": "here"}, ["restore_lsn is 'here'", "0/3000060"]),
    ],
)
def test_a_recovery_that_cannot_be_is_refused_in_one_sentence(restored, request_, words):
    with pytest.raises(AnsibleFilterError) as refused:
        restored(**request_)
    for word in words:
        assert word in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "time", ["2026-01-01 12:00:00+00", "2026-01-01T12:00:00Z", "2026-01-01 12:00:00.25 +02:00", "2026-01-01T12:00:00"]
)
def test_a_moment_is_written_in_several_ways(restored, time):
    clusters = [one for one in restored(time=time)["manifests"] if one["kind"] == "Cluster"]
    assert clusters[0]["spec"]["bootstrap"]["recovery"]["recoveryTarget"] == {"targetTime": time}
