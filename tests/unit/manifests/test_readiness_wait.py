# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting looks at everything together and ends as soon as it is decided."""

from __future__ import annotations

import pytest
from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._readiness_wait import collections_of, wait
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests


def topic(name="sales"):
    metadata = {"namespace": "data", "name": name, "generation": 1}
    return {"apiVersion": "kafka.strimzi.io/v1", "kind": "KafkaTopic", "metadata": metadata, "spec": {}}


def database(name="carts"):
    metadata = {"namespace": "cache", "name": name, "generation": 1}
    kind = "RedisEnterpriseDatabase"
    return {"apiVersion": "app.redislabs.com/v1alpha1", "kind": kind, "metadata": metadata, "spec": {}}


READY_TOPIC = topic() | {"status": {"observedGeneration": 1, "conditions": [{"type": "Ready", "status": "True"}]}}
READY_DATABASE = database() | {"status": {"observedGeneration": 1, "status": "active", "specStatus": "Valid"}}
FAILED_DATABASE = database() | {"status": {"observedGeneration": 1, "status": "creation-failed"}}
WANTED = [topic(), database()]


class Cluster:
    """Answers look after look; the last answer stays. Time passes only in pauses."""

    def __init__(self, *looks):
        self.looks = list(looks)
        self.now = 0.0

    def read(self, collections):
        answers = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [answers[collection.kind] for collection in collections]

    def pause(self, seconds):
        self.now += seconds

    def wait(self, wanted=None, timeout=10.0):
        return wait(
            WANTED if wanted is None else wanted,
            self.read,
            timeout=timeout,
            interval=1.0,
            clock=lambda: self.now,
            pause=self.pause,
        )


def test_every_kind_and_namespace_is_one_list(catalogue):
    manifests = [*service_manifests(catalogue, {}), topic(), topic("returns"), database()]
    assert sorted(collection.path for collection in collections_of(manifests)) == [
        "/api/v1/namespaces/back/pods",
        "/api/v1/namespaces/front/pods",
        "/apis/app.redislabs.com/v1alpha1/namespaces/cache/redisenterprisedatabases",
        "/apis/apps/v1/namespaces/back/deployments",
        "/apis/apps/v1/namespaces/front/deployments",
        "/apis/kafka.strimzi.io/v1/namespaces/data/kafkatopics",
    ]


def test_it_ends_with_the_slowest():
    cluster = Cluster(
        {"KafkaTopic": [], "RedisEnterpriseDatabase": []},
        {"KafkaTopic": [READY_TOPIC], "RedisEnterpriseDatabase": []},
        {"KafkaTopic": [READY_TOPIC], "RedisEnterpriseDatabase": [READY_DATABASE]},
    )
    outcome = cluster.wait()
    assert outcome.is_ready
    assert (outcome.looks, cluster.now) == (3, 2.0)


def test_it_ends_at_once_when_one_of_them_is_hopeless():
    cluster = Cluster({"KafkaTopic": [], "RedisEnterpriseDatabase": [FAILED_DATABASE]})
    outcome = cluster.wait()
    assert not outcome.is_ready
    assert (outcome.looks, cluster.now) == (1, 0.0)
    assert "creation-failed" in outcome.hopeless[0]
    assert "KafkaTopic data/sales is not ready: it is not there" in outcome.waiting


def test_it_ends_when_time_is_up_and_names_what_is_missing():
    cluster = Cluster({"KafkaTopic": [READY_TOPIC], "RedisEnterpriseDatabase": []})
    outcome = cluster.wait(timeout=5.0)
    assert cluster.now <= 5.0
    assert outcome.waiting == ["RedisEnterpriseDatabase cache/carts is not ready: it is not there"]


@pytest.mark.parametrize("timeout", [0, 5])
def test_what_could_not_be_seen_is_inconclusive(timeout):
    refused = KubernetesError("forbidden", 403)
    cluster = Cluster({"KafkaTopic": refused, "RedisEnterpriseDatabase": [FAILED_DATABASE]})
    outcome = cluster.wait(timeout=timeout)
    assert outcome.hopeless == []
    assert outcome.waiting[0] == "INCONCLUSIVE, could not look at KafkaTopic: forbidden"


def test_a_short_failure_of_the_api_is_waited_out():
    away = KubernetesError("connection refused")
    ready = {"KafkaTopic": [READY_TOPIC], "RedisEnterpriseDatabase": [READY_DATABASE]}
    assert Cluster({"KafkaTopic": away, "RedisEnterpriseDatabase": away}, ready).wait().is_ready


def test_a_kind_that_is_not_served_has_no_objects():
    missing = KubernetesError("not found", 404)
    outcome = Cluster({"KafkaTopic": missing, "RedisEnterpriseDatabase": [READY_DATABASE]}).wait(timeout=0)
    assert outcome.waiting == ["KafkaTopic data/sales is not ready: it is not there"]
