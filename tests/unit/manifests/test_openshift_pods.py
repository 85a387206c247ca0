# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""On OpenShift every pod that the collection renders is admitted by restricted-v2, whatever a catalogue or the settings choose."""

from __future__ import annotations

import copy
import itertools
import json
import pathlib

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._cut_off import copy_of
from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import gateway_manifests
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import kafka_manifests
from ansible_collections.azora.platform.plugins.module_utils._operator_manifests import operator_manifests
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import postgres_manifests
from ansible_collections.azora.platform.plugins.module_utils._prober import Batch, Patience, ephemeral_container
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import redis_manifests
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests

from .restricted_v2 import RANGES, pods_in, refusals

MODULE_UTILS = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "module_utils"
CHOICES = [
    {},
    {"run_as_user": 10001, "run_as_group": 10002, "fs_group": 10003},
    {"read_only_root_filesystem": False, "bind_low_ports": True},
]
SETTINGS = [{}, {"run_as_user": 1000, "image_pull_secrets": ["pull"], "topology_spread": "ScheduleAnyway"}]


def variants(platform):
    """The platform with each choice a service and a gateway have, and all of what else changes a pod."""
    for choice in CHOICES:
        given = copy.deepcopy(platform)
        for workload in [*given["services"], given["gateway"]]:
            workload["security_context"] = choice
        given["services"][0]["kubernetes_api"] = True
        given["gateway"]["ports"] = {"http": 8080, "control": 8081}
        yield _catalogue.normalised(given)


def rendered(catalogue, chosen, openshift):
    given = {**chosen, "openshift": openshift}
    return [*service_manifests(catalogue, given), *gateway_manifests(catalogue, given)]


def test_services_and_gateways(platform, azora):
    catalogues = [azora, *variants(platform)]
    pods = [
        pod
        for catalogue, chosen in itertools.product(catalogues, SETTINGS)
        for pod in pods_in(rendered(catalogue, chosen, openshift=True))
    ]
    assert len(pods) == 2 * (8 + 3 * 4)
    assert [(who, refusals(pod)) for who, pod in pods if refusals(pod)] == []


def test_elsewhere_users_are_named_which_openshift_would_refuse(platform):
    """So that the check is known to see something."""
    *_others, catalogue = variants(platform)
    chosen = {"run_as_user": 1000}
    for who, pod in pods_in(rendered(catalogue, chosen, openshift=False)):
        assert refusals(pod) == [f"the pod sets {key}" for key in ("runAsUser", "runAsGroup", "fsGroup")], who


def test_stores_are_left_to_their_operators(azora, settings):
    """Operators ask the API whether this is OpenShift; here nobody tells them of a user."""
    manifests = [
        *postgres_manifests(azora, settings("postgres")),
        *redis_manifests(azora, settings("redis")),
        *kafka_manifests(azora, settings("kafka")),
    ]
    assert pods_in(manifests) == []
    said = json.dumps(manifests)
    assert [key for key in RANGES if f'"{key}"' in said] == []


def test_no_other_part_makes_pods():
    """A new one has to come into these tests."""
    known = {
        "_cut_off.py",
        "_manifests.py",
        "_operator_manifests.py",
        "_policy_inventory.py",  # reads them
        "_prober.py",
        "_workload_manifests.py",
    }
    said = {
        path.name
        for path in MODULE_UTILS.glob("_*.py")
        if "runAsUser" in path.read_text("utf-8") or '"containers": [' in path.read_text("utf-8")
    }
    assert said <= known


def test_operators_by_manifest_name_no_users():
    """As CloudNativePG's, its plugin's and the Prometheus operator's manifests do."""
    context = {
        "runAsUser": 10001,
        "runAsGroup": 10001,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    container = {"name": "manager", "image": "example.org/operator:1", "securityContext": context}
    pod = {
        "securityContext": {"runAsNonRoot": True, "fsGroup": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "initContainers": [{**container, "name": "first"}],
    }
    vendor = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "operator", "namespace": "vendor"},
        "spec": {"template": {"spec": pod}},
    }
    ((_who, plain),) = pods_in(operator_manifests([vendor], "ours"))
    assert plain == pod
    ((_who, fitted),) = pods_in(operator_manifests([vendor], "ours", openshift=True))
    assert refusals(fitted) == []
    assert fitted["securityContext"]["runAsNonRoot"] is True


@pytest.fixture
def live(platform):
    """A pod as OpenShift has admitted it."""
    *_others, catalogue = variants(platform)
    _who, pod = pods_in(rendered(catalogue, {}, openshift=True))[0]
    pod["containers"][0]["securityContext"]["runAsUser"] = 1000700000
    pod["securityContext"] |= {"fsGroup": 1000700000, "seLinuxOptions": {"level": "s0:c27,c4"}}
    return {
        "metadata": {"name": "orders-1", "namespace": "front", "annotations": {"openshift.io/scc": "restricted-v2"}},
        "spec": pod,
    }


def test_a_prober_is_the_user_that_openshift_gave_the_pod(live):
    prober = ephemeral_container("p", "image", Batch("run", "10.0.0.1"), Patience(), live)
    assert prober["securityContext"].pop("runAsUser") == 1000700000
    assert refusals({"containers": [prober]}) == []


def test_a_copy_is_made_under_the_constraints_of_its_replica(live):
    """Whoever makes it may use other constraints, too, of which OpenShift would take the first that fits."""
    made = copy_of(live, name="copy", lifetime=60)
    assert made["metadata"]["annotations"] == {"openshift.io/required-scc": "restricted-v2"}
    assert made["spec"]["containers"][0]["securityContext"]["runAsUser"] == 1000700000
    del live["metadata"]["annotations"]
    assert "annotations" not in copy_of(live, name="copy", lifetime=60)["metadata"]
