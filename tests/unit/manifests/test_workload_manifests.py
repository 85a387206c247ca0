# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Services become workloads that roll without losing a request, spread out, and confined."""

from __future__ import annotations

import copy

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue
from ansible_collections.azora.platform.plugins.module_utils._manifests import SECRETS_CHECKSUM
from ansible_collections.azora.platform.plugins.module_utils._rollout import collections_of
from ansible_collections.azora.platform.plugins.module_utils._workload_manifests import service_manifests

SETTINGS = {"openshift": False, "run_as_user": 0, "secret_checksums": {"front/orders-credentials": "one"}}


@pytest.fixture
def manifests(catalogue):
    return service_manifests(catalogue, SETTINGS)


def pod_of(deployment):
    return deployment["spec"]["template"]["spec"]


def annotations_of(deployment):
    return deployment["spec"]["template"]["metadata"]["annotations"]


def config_of(manifests, find, service):
    """The ConfigMap that a service's pods read."""
    [source] = [
        entry["configMapRef"]
        for entry in pod_of(find(manifests, "Deployment", service))["containers"][0]["envFrom"]
        if "configMapRef" in entry
    ]
    return find(manifests, "ConfigMap", source["name"])


def test_every_service_has_all_that_belongs_to_it_and_the_gateway_is_not_among_them(manifests):
    kinds = {}
    for entry in manifests:
        if entry["kind"] != "ConfigMap":
            kinds.setdefault(entry["kind"], set()).add(entry["metadata"]["name"])
    services = {"orders", "statistics", "page"}
    assert kinds == {
        "ServiceAccount": services,
        "Service": services,
        "PodDisruptionBudget": services,
        "Deployment": services,
        "HorizontalPodAutoscaler": {"statistics"},
    }
    assert len([entry for entry in manifests if entry["kind"] == "ConfigMap"]) == len(services)


def test_pods_meet_the_restricted_standard(manifests):
    for deployment in [entry for entry in manifests if entry["kind"] == "Deployment"]:
        pod = pod_of(deployment)
        assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        for container in pod["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["readOnlyRootFilesystem"] is True
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]
        assert pod["volumes"][0]["name"] == "tmp"


def test_whole_names_are_looked_up_first(manifests, find):
    orders = find(manifests, "Deployment", "orders")
    (ndots,) = pod_of(orders)["dnsConfig"]["options"]
    names = [value for key, value in config_of(manifests, find, "orders")["data"].items() if key.endswith("_HOST")]
    assert names
    assert all(name.count(".") >= int(ndots["value"]) for name in names)


@pytest.mark.parametrize(("openshift", "user"), [(False, 10001), (True, None)])
def test_openshift_chooses_the_user_itself(catalogue, find, openshift, user):
    manifests = service_manifests(catalogue, SETTINGS | {"openshift": openshift, "run_as_user": 10001})
    context = pod_of(find(manifests, "Deployment", "orders"))["securityContext"]
    assert context.get("runAsUser") == user
    assert context.get("fsGroup") == user


def test_no_pod_has_a_token_unless_it_needs_the_kubernetes_api(platform, manifests, find):
    assert find(manifests, "ServiceAccount", "orders")["automountServiceAccountToken"] is False
    assert pod_of(find(manifests, "Deployment", "orders"))["automountServiceAccountToken"] is False
    given = copy.deepcopy(platform)
    given["services"][0]["kubernetes_api"] = True
    needing = service_manifests(_catalogue.normalised(given), SETTINGS)
    assert pod_of(find(needing, "Deployment", "orders"))["automountServiceAccountToken"] is True


def test_a_rollout_takes_no_pod_away_before_a_new_one_is_ready(manifests, find):
    spec = find(manifests, "Deployment", "orders")["spec"]
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert spec["minReadySeconds"] > 0
    container = pod_of(find(manifests, "Deployment", "orders"))["containers"][0]
    assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}
    assert "lifecycle" not in pod_of(find(manifests, "Deployment", "page"))["containers"][0]


def test_replicas_stand_on_different_nodes_each_revision_by_itself(manifests, find):
    deployment = find(manifests, "Deployment", "orders")
    [spread] = pod_of(deployment)["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert spread["labelSelector"] == deployment["spec"]["selector"]
    assert spread["matchLabelKeys"] == ["pod-template-hash"]
    assert spread["nodeTaintsPolicy"] == "Honor"


def test_selectors_agree_and_do_not_hold_what_may_change(manifests, find):
    labels = {"app.kubernetes.io/name": "orders", "app.kubernetes.io/part-of": "shop"}
    deployment = find(manifests, "Deployment", "orders")
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert labels.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
    assert find(manifests, "Service", "orders")["spec"]["selector"] == labels
    assert find(manifests, "PodDisruptionBudget", "orders")["spec"]["selector"]["matchLabels"] == labels


def test_disruption_budget_lets_one_go_and_never_holds_a_drain_for_a_broken_pod(manifests, find):
    spec = find(manifests, "PodDisruptionBudget", "orders")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_an_autoscaled_deployment_leaves_the_number_to_its_autoscaler(manifests, find):
    assert "replicas" not in find(manifests, "Deployment", "statistics")["spec"]
    assert find(manifests, "Deployment", "orders")["spec"]["replicas"] == 2
    spec = find(manifests, "HorizontalPodAutoscaler", "statistics")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 6)
    assert {entry["resource"]["name"] for entry in spec["metrics"]} == {"cpu", "memory"}
    windows = [spec["behavior"][way]["stabilizationWindowSeconds"] for way in ("scaleUp", "scaleDown")]
    assert windows == [0, 120]


def test_probes_and_resources_are_the_catalogues(manifests, find):
    container = pod_of(find(manifests, "Deployment", "orders"))["containers"][0]
    assert container["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert container["livenessProbe"]["initialDelaySeconds"] == 30
    assert container["readinessProbe"]["periodSeconds"] == 5
    assert container["resources"]["limits"] == {"cpu": "500m", "memory": "512Mi"}


def test_ports_are_named_and_a_service_without_metrics_has_no_such_port(manifests, find):
    ports = {port["name"]: port["port"] for port in find(manifests, "Service", "orders")["spec"]["ports"]}
    assert ports == {"http": 8080, "metrics": 9090}
    ports = {port["name"]: port["port"] for port in find(manifests, "Service", "page")["spec"]["ports"]}
    assert ports == {"http": 8000}
    assert "METRICS_PORT" not in config_of(manifests, find, "page")["data"]


def test_a_service_is_told_what_it_uses_and_nothing_secret(manifests, find):
    assert config_of(manifests, find, "orders")["data"] == {
        "SERVICE_NAME": "orders",
        "SERVICE_KIND": "orders",
        "HTTP_PORT": "8080",
        "METRICS_PORT": "9090",
        "LOG_LEVEL": "info",
        "STATISTICS_URL": "http://statistics.back.svc.cluster.local:8080",
        "POSTGRES_HOST": "pg-rw.data.svc.cluster.local",
        "POSTGRES_PORT": "5432",
        "POSTGRES_DATABASE": "orders",
        "KAFKA_BOOTSTRAP_SERVERS": "bus-kafka-bootstrap.data.svc.cluster.local:9093",
        "KAFKA_PRODUCE_TOPICS": "sales",
        "KAFKA_CONSUME_TOPICS": "",
        "KAFKA_GROUP": "orders",
        "CURRENCY": "EUR",
    }
    redis = config_of(manifests, find, "statistics")["data"]
    assert (redis["REDIS_HOST"], redis["REDIS_PORT"]) == ("carts.cache.svc.cluster.local", "12000")


def test_credentials_come_from_secrets_only(manifests, find):
    container = pod_of(find(manifests, "Deployment", "orders"))["containers"][0]
    assert container["envFrom"] == [
        {"configMapRef": {"name": config_of(manifests, find, "orders")["metadata"]["name"]}},
        {"secretRef": {"name": "orders-credentials"}},
    ]
    assert container["env"] == [
        {"name": key, "valueFrom": {"secretKeyRef": {"name": "payment", "key": key}}}
        for key in ("PAYMENT_KEY", "PAYMENT_USER")
    ]
    page = pod_of(find(manifests, "Deployment", "page"))["containers"][0]
    assert page["envFrom"] == [{"configMapRef": {"name": config_of(manifests, find, "page")["metadata"]["name"]}}]


@pytest.mark.parametrize(
    ("checksums", "rolls"),
    [
        ({"front/orders-credentials": "one"}, False),
        ({"front/orders-credentials": "two"}, True),
        ({"front/orders-credentials": "one", "front/payment": "new"}, True),
        ({"front/orders-credentials": "one", "back/payment": "elsewhere"}, False),
    ],
)
def test_a_changed_secret_rolls_the_pods_that_read_it(catalogue, manifests, find, checksums, rolls):
    before = annotations_of(find(manifests, "Deployment", "orders"))
    again = service_manifests(catalogue, SETTINGS | {"secret_checksums": checksums})
    after = annotations_of(find(again, "Deployment", "orders"))
    assert (before[SECRETS_CHECKSUM] != after[SECRETS_CHECKSUM]) is rolls
    assert (before != after) is rolls


def test_changed_configuration_rolls_that_service_and_no_other(platform, manifests, find):
    given = copy.deepcopy(platform)
    given["services"][0]["environment"]["CURRENCY"] = "CHF"
    again = service_manifests(_catalogue.normalised(given), SETTINGS)
    for name, rolls in {"orders": True, "statistics": False, "page": False}.items():
        before, after = (find(found, "Deployment", name)["spec"]["template"] for found in (manifests, again))
        assert (before != after) is rolls
        assert (
            annotations_of({"spec": {"template": before}}) != annotations_of({"spec": {"template": after}})
        ) is rolls


def test_a_configuration_never_changes_so_that_each_revision_keeps_its_own(platform, manifests, find):
    given = copy.deepcopy(platform)
    given["services"][0]["environment"]["CURRENCY"] = "CHF"
    again = service_manifests(_catalogue.normalised(given), SETTINGS)
    before, after = (config_of(found, find, "orders") for found in (manifests, again))
    assert before["immutable"] is after["immutable"] is True
    assert before["metadata"]["name"] != after["metadata"]["name"]
    assert before["metadata"]["name"].startswith("orders-config-")
    assert after["metadata"]["labels"] == find(again, "Deployment", "orders")["metadata"]["labels"]


def test_a_rollout_reads_only_what_carries_the_platforms_label(manifests):
    kinds = ("Deployment", "ReplicaSet", "Pod")
    assert all(entry.label_selector for entry in collections_of(manifests) if entry.kind in kinds)


def test_the_same_catalogue_gives_the_same_manifests(platform, manifests):
    assert service_manifests(_catalogue.normalised(copy.deepcopy(platform)), SETTINGS) == manifests
