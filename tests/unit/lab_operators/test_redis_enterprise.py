# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for the Redis Enterprise operator: objects, requests, status."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from kubernetes_double import KubernetesDouble, roll_out
from lab_operators.redis_enterprise_api import ClusterUnreachableError, RequestRefusedError
from lab_operators.redis_enterprise_cluster import (
    CLUSTER_FINALIZER,
    CLUSTER_VERSION,
    ClusterSettings,
    certificate_names,
    cluster_mistakes,
    cluster_objects,
    volume_claims,
)
from lab_operators.redis_enterprise_controller import RedisEnterpriseController
from lab_operators.redis_enterprise_database import (
    DATABASE_FINALIZER,
    DATABASE_VERSION,
    changes,
    database_mistakes,
    database_request,
    database_services,
    memory_bytes,
)
from lab_operators.secret_data import decoded, encoded

SETTINGS = ClusterSettings(image="redis:1")
MB = 1024 * 1024


def cluster(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": CLUSTER_VERSION,
        "kind": "RedisEnterpriseCluster",
        "metadata": {"name": "rec", "namespace": "data", "uid": "u", "generation": 1},
        "spec": {"nodes": 1, **spec},
    }


def database(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": DATABASE_VERSION,
        "kind": "RedisEnterpriseDatabase",
        "metadata": {"name": "session", "namespace": "data", "uid": "u", "generation": 1},
        "spec": {"redisEnterpriseCluster": {"name": "rec"}, "databasePort": 12000, **spec},
    }


class ClusterDouble:
    """The REST API of a cluster as the node agent answers it."""

    def __init__(self) -> None:
        self.bdbs: list[dict[str, Any]] = []
        self.reachable = True
        self.refusal: str | None = None
        self.licence = ""
        self.node_count = 1
        self.silent_nodes: set[int] = set()
        self.calls: list[tuple[str, Any]] = []

    def set_license(self, text: str) -> dict[str, Any]:
        if self.refusal:
            raise RequestRefusedError(400, "invalid_license", self.refusal)
        self.licence = text
        return self.license()

    def license(self) -> dict[str, Any]:
        self._check()
        return {
            "license": self.licence,
            "activation_date": "2026-01-01T00:00:00+00:00",
            "expiration_date": "2026-02-01T00:00:00+00:00",
            "features": ["trial"],
            "expired": False,
            "owner": "",
            "shards_limit": 16,
            "ram_shards_limit": 16,
            "ram_shards_in_use": len(self.bdbs),
        }

    def modules(self) -> list[dict[str, Any]]:
        return [{"module_name": "search", "display_name": "RediSearch", "semantic_version": "1.2.2"}]

    def nodes(self) -> list[dict[str, Any]]:
        return [
            {
                "uid": uid,
                "status": "down" if uid in self.silent_nodes else "active",
                "bundled_redis_version": "7.0.15",
            }
            for uid in range(1, self.node_count + 1)
        ]

    def databases(self) -> list[dict[str, Any]]:
        self._check()
        return self.bdbs

    def create_database(self, request: dict[str, Any]) -> dict[str, Any]:
        self._check(changing=True)
        self.calls.append(("create", request["name"]))
        self.bdbs.append({"uid": len(self.bdbs) + 1, "status": "active", "redis_version": "7.0.15", **request})
        return self.bdbs[-1]

    def change_database(self, uid: int, request: dict[str, Any]) -> dict[str, Any]:
        self._check(changing=True)
        self.calls.append(("change", request))
        found = next(bdb for bdb in self.bdbs if bdb["uid"] == uid)
        found.update(request)
        return found

    def delete_database(self, uid: int) -> None:
        self._check()
        self.bdbs = [bdb for bdb in self.bdbs if bdb["uid"] != uid]

    def _check(self, *, changing: bool = False) -> None:
        if not self.reachable:
            raise ClusterUnreachableError("down")
        if changing and self.refusal:
            raise RequestRefusedError(400, "license_error", self.refusal)


@pytest.fixture
def rest() -> ClusterDouble:
    return ClusterDouble()


def controller_of(api: KubernetesDouble, rest: ClusterDouble) -> RedisEnterpriseController:
    return RedisEnterpriseController(api, SETTINGS, lambda *_: rest)  # type: ignore[arg-type, return-value]


def running(rest: ClusterDouble, *more: dict[str, Any]) -> tuple[KubernetesDouble, RedisEnterpriseController]:
    """A cluster in state Running."""
    api = KubernetesDouble(cluster(), *more)
    controller = controller_of(api, rest)
    controller.reconcile_cluster("data", "rec")
    roll_out(api.get("StatefulSet", "rec"))
    controller.reconcile_cluster("data", "rec")
    assert api.get("RedisEnterpriseCluster", "rec")["status"]["state"] == "Running"
    return api, controller


def test_pods_and_services_carry_the_labels_policies_are_written_for() -> None:
    objects = {
        (manifest["kind"], manifest["metadata"]["name"]): manifest
        for manifest in cluster_objects(cluster(), SETTINGS, "x")
    }
    labels = {"app": "redis-enterprise", "redis.io/cluster": "rec", "redis.io/role": "node"}
    template = objects["StatefulSet", "rec"]["spec"]["template"]
    assert labels.items() <= template["metadata"]["labels"].items()
    headless = objects["Service", "rec"]["spec"]
    assert headless["clusterIP"] == "None"
    assert {port["port"] for port in headless["ports"]} == {9443, 8001}
    metrics = objects["Service", "rec-prom"]
    assert metrics["metadata"]["labels"]["redis.io/service"] == "prom-metrics"
    assert metrics["spec"]["ports"][0] == {"name": "prometheus", "port": 8070, "targetPort": 8070, "protocol": "TCP"}


def test_pods_pass_restricted_pod_security() -> None:
    stateful_set = cluster_objects(cluster(), SETTINGS, "x")[-1]
    pod = stateful_set["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_volumes_are_five_times_the_memory_unless_said() -> None:
    assert volume_claims({"persistentSpec": {"enabled": True}})[0]["spec"]["resources"]["requests"]["storage"] == "20Gi"
    sized = volume_claims({"persistentSpec": {"enabled": True, "volumeSize": "2Gi", "storageClassName": "fast"}})[0]
    assert sized["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert sized["spec"]["storageClassName"] == "fast"
    assert volume_claims({}) == []


@pytest.mark.parametrize("nodes", [2, 4, 5])
def test_numbers_of_nodes_that_cannot_be_had_are_refused_with_a_reason(rest: ClusterDouble, nodes: int) -> None:
    api = KubernetesDouble(cluster(nodes=nodes))
    controller_of(api, rest).reconcile_cluster("data", "rec")
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    assert status["state"] == "Invalid"
    assert f"{nodes} nodes" in status["specStatus"]
    assert ("StatefulSet", "data", "rec") not in api.objects


def test_a_cluster_does_not_get_fewer_nodes(rest: ClusterDouble) -> None:
    api = KubernetesDouble(cluster(nodes=3))
    controller = controller_of(api, rest)
    controller.reconcile_cluster("data", "rec")
    api.get("RedisEnterpriseCluster", "rec")["spec"]["nodes"] = 1
    controller.reconcile_cluster("data", "rec")
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    assert "spec.nodes: a cluster of 3 nodes cannot get fewer; 1 were asked for" in status["specStatus"]
    assert api.get("StatefulSet", "rec")["spec"]["replicas"] == 3


def test_the_default_number_of_nodes_is_the_vendors() -> None:
    resource = cluster()
    del resource["spec"]["nodes"]
    assert cluster_mistakes(resource, None) == []
    assert stateful_set_of(resource)["spec"]["replicas"] == 3


def stateful_set_of(resource: dict[str, Any]) -> dict[str, Any]:
    return next(entry for entry in cluster_objects(resource, SETTINGS, "x") if entry["kind"] == "StatefulSet")


def environment_of(resource: dict[str, Any]) -> dict[str, Any]:
    container = stateful_set_of(resource)["spec"]["template"]["spec"]["containers"][0]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container["env"]}


def test_each_node_knows_its_name_and_those_of_all() -> None:
    environment = environment_of(cluster(nodes=3))
    hosts = environment["NODE_HOSTS"].split(",")
    assert hosts == [f"rec-{number}.rec.data.svc.cluster.local" for number in range(3)]
    assert environment["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert environment_of(cluster())["NODE_HOSTS"] == "rec-0.rec.data.svc.cluster.local"
    # The certificate is good for them, and the names are there before a node is ready.
    assert "*.rec.data.svc.cluster.local" in certificate_names(cluster(nodes=3))
    assert stateful_set_of(cluster(nodes=3))["spec"]["serviceName"] == "rec"


def test_three_nodes_would_rather_be_on_different_machines_and_are_disturbed_one_at_a_time() -> None:
    objects = {entry["kind"]: entry for entry in cluster_objects(cluster(nodes=3), SETTINGS, "x")}
    affinity = objects["StatefulSet"]["spec"]["template"]["spec"]["affinity"]["podAntiAffinity"]
    assert list(affinity) == ["preferredDuringSchedulingIgnoredDuringExecution"]
    assert objects["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_the_first_node_is_asked(rest: ClusterDouble) -> None:
    asked = []
    api = KubernetesDouble(cluster(nodes=3))
    controller = RedisEnterpriseController(api, SETTINGS, lambda host, *_: asked.append(host) or rest)  # type: ignore[arg-type, func-returns-value, return-value]
    controller.reconcile_cluster("data", "rec")
    assert set(asked) == {"rec-0.rec.data.svc.cluster.local"}


def test_a_cluster_runs_when_all_its_nodes_do(rest: ClusterDouble) -> None:
    rest.silent_nodes = {3}
    rest.node_count = 3
    api = KubernetesDouble(cluster(nodes=3, persistentSpec={"enabled": True}))
    controller = controller_of(api, rest)
    controller.reconcile_cluster("data", "rec")
    roll_out(api.get("StatefulSet", "rec"))
    controller.reconcile_cluster("data", "rec")
    assert api.get("RedisEnterpriseCluster", "rec")["status"]["state"] == "Initializing"
    rest.silent_nodes = set()
    controller.reconcile_cluster("data", "rec")
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    assert status["state"] == "Running"
    assert status["nodes"] == [{"uid": str(uid), "status": "active"} for uid in (1, 2, 3)]
    assert status["persistenceStatus"] == {"status": "Provisioned", "succeeded": "3/3"}


def licensed(name: str = "licence") -> dict[str, Any]:
    wanted = cluster()
    wanted["spec"]["licenseSecretName"] = name
    return wanted


def licence(text: str) -> dict[str, Any]:
    data = {"license": base64.b64encode(text.encode()).decode()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "licence"}, "data": data}


def test_a_licence_is_brought_once_and_followed(rest: ClusterDouble) -> None:
    api, controller = running(rest)
    api.objects["RedisEnterpriseCluster", "data", "rec"]["spec"]["licenseSecretName"] = "licence"
    api.put(licence("one\n"))
    controller.reconcile_cluster("data", "rec")
    assert rest.licence == "one"
    rest.refusal = "not a licence"
    controller.reconcile_cluster("data", "rec")
    assert api.get("RedisEnterpriseCluster", "rec")["status"]["specStatus"] == "Valid"
    api.put(licence("two"))
    controller.reconcile_cluster("data", "rec")
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    assert (status["state"], rest.licence) == ("Invalid", "one")
    assert status["specStatus"] == "Invalid: spec.licenseSecretName: invalid_license: not a licence"


@pytest.mark.parametrize("secret", [None, licence(" ")], ids=["no Secret", "an empty one"])
def test_a_licence_that_is_not_there_is_named(rest: ClusterDouble, secret: dict[str, Any] | None) -> None:
    api = KubernetesDouble(licensed(), *([secret] if secret else []))
    controller_of(api, rest).reconcile_cluster("data", "rec")
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    sentence = "spec.licenseSecretName: there is no Secret licence with the key license"
    assert status == {"state": "Invalid", "specStatus": f"Invalid: {sentence}"}


def test_replicas_are_shards_too(rest: ClusterDouble) -> None:
    api, controller = running(rest, database(replication=True, proxyPolicy="all-nodes"))
    controller.reconcile_database("data", "session")
    assert rest.bdbs[0]["replication"] is True
    assert api.get("RedisEnterpriseDatabase", "session")["status"]["shardStatuses"] == {"active": 2}


def test_the_size_of_existing_volumes_stays() -> None:
    claims = volume_claims({"persistentSpec": {"enabled": True, "volumeSize": "1Gi"}})
    old = {"spec": {"replicas": 1, "volumeClaimTemplates": claims}}
    same = cluster(persistentSpec={"enabled": True, "volumeSize": "1024Mi"})
    larger = cluster(persistentSpec={"enabled": True, "volumeSize": "2Gi"})
    assert cluster_mistakes(same, old) == []
    assert len(cluster_mistakes(larger, old)) == 1
    assert len(cluster_mistakes(cluster(), old)) == 1


def test_a_cluster_goes_through_the_vendors_states(rest: ClusterDouble) -> None:
    api = KubernetesDouble(cluster())
    controller = controller_of(api, rest)
    rest.reachable = False
    controller.reconcile_cluster("data", "rec")
    api.put(
        {
            "kind": "Pod",
            "metadata": {
                "name": "rec-0",
                "labels": {"app": "redis-enterprise", "redis.io/cluster": "rec", "redis.io/role": "node"},
            },
            "status": {"containerStatuses": [{"state": {"running": {}}}]},
        }
    )
    controller.reconcile_cluster("data", "rec")
    roll_out(api.get("StatefulSet", "rec"))
    controller.reconcile_cluster("data", "rec")
    rest.reachable = True
    controller.reconcile_cluster("data", "rec")
    states = [status["state"] for status in api.statuses if "state" in status]
    assert [state for index, state in enumerate(states) if state not in states[:index]] == [
        "PendingCreation",
        "BootstrappingFirstPod",
        "Initializing",
        "Running",
    ]
    status = api.get("RedisEnterpriseCluster", "rec")["status"]
    assert status["specStatus"] == "Valid"
    assert status["licenseStatus"]["licenseState"] == "Valid"
    assert status["licenseStatus"]["shardsUsage"] == "0/16"


def test_a_lost_pod_is_not_reported_as_running(rest: ClusterDouble) -> None:
    api, controller = running(rest)
    api.get("StatefulSet", "rec")["status"]["readyReplicas"] = 0
    controller.reconcile_cluster("data", "rec")
    assert api.get("RedisEnterpriseCluster", "rec")["status"]["state"] == "RecoveringFirstPod"


def test_a_second_run_writes_no_status_and_keeps_the_secrets(rest: ClusterDouble) -> None:
    api, controller = running(rest)
    before = [api.get("Secret", name)["data"] for name in ("rec", "rec-node-certificate")]
    api.statuses.clear()
    controller.reconcile_cluster("data", "rec")
    assert api.statuses == []
    assert [api.get("Secret", name)["data"] for name in ("rec", "rec-node-certificate")] == before


def test_a_cluster_stays_until_its_databases_are_gone(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    assert CLUSTER_FINALIZER in api.get("RedisEnterpriseCluster", "rec")["metadata"]["finalizers"]
    controller.reconcile_database("data", "session")
    api.get("RedisEnterpriseCluster", "rec")["metadata"]["deletionTimestamp"] = "now"
    controller.reconcile_cluster("data", "rec")
    assert CLUSTER_FINALIZER in api.get("RedisEnterpriseCluster", "rec")["metadata"]["finalizers"]
    api.get("RedisEnterpriseDatabase", "session")["metadata"]["deletionTimestamp"] = "now"
    controller.reconcile_database("data", "session")
    controller.reconcile_cluster("data", "rec")
    assert rest.bdbs == []
    assert api.get("RedisEnterpriseCluster", "rec")["metadata"]["finalizers"] == []


def test_a_database_becomes_active_with_services_and_secret(rest: ClusterDouble) -> None:
    api, controller = running(rest, database(databaseServicePort=6379))
    controller.reconcile_database("data", "session")
    resource = api.get("RedisEnterpriseDatabase", "session")
    assert resource["metadata"]["finalizers"] == [DATABASE_FINALIZER]
    assert resource["status"]["status"] == "active"
    assert resource["status"]["specStatus"] == "Valid"
    assert resource["status"]["observedGeneration"] == 1
    assert resource["status"]["databaseUID"] == "1"
    assert resource["status"]["internalEndpoints"] == [
        {"host": "redis-12000.rec.data.svc.cluster.local", "port": 12000}
    ]
    secret = decoded(api.get("Secret", "redb-session"))
    assert secret["port"] == "6379"
    assert secret["service_names"] == "session,session-headless"
    assert rest.bdbs[0]["authentication_redis_pass"] == secret["password"]
    assert api.get("Service", "session")["spec"]["ports"][0]["targetPort"] == 12000


def test_a_given_password_is_used_and_followed(rest: ClusterDouble) -> None:
    given = {"kind": "Secret", "metadata": {"name": "given"}, "data": encoded({"password": "one"})}
    api, controller = running(rest, database(databaseSecretName="given"), given)
    controller.reconcile_database("data", "session")
    assert rest.bdbs[0]["authentication_redis_pass"] == "one"
    api.get("Secret", "given")["data"].update(encoded({"password": "two"}))
    controller.reconcile_database("data", "session")
    assert rest.calls[-1] == ("change", {"authentication_redis_pass": "two"})


def test_a_second_run_asks_the_cluster_for_nothing(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    controller.reconcile_database("data", "session")
    rest.calls.clear()
    api.statuses.clear()
    controller.reconcile_database("data", "session")
    assert rest.calls == []
    assert api.statuses == []


def test_an_operator_that_died_before_it_noted_the_uid_finds_the_database(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    controller.reconcile_database("data", "session")
    del api.get("RedisEnterpriseDatabase", "session")["status"]["databaseUID"]
    controller.reconcile_database("data", "session")
    assert len(rest.bdbs) == 1
    assert api.get("RedisEnterpriseDatabase", "session")["status"]["databaseUID"] == "1"


def test_a_refused_database_says_why(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    rest.refusal = "the licence allows 4 shards"
    controller.reconcile_database("data", "session")
    status = api.get("RedisEnterpriseDatabase", "session")["status"]
    assert status["status"] == "creation-failed"
    assert "the licence allows 4 shards" in status["lastActionStatus"]


def test_a_refused_change_leaves_the_database_active_and_the_generation_behind(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    controller.reconcile_database("data", "session")
    resource = api.get("RedisEnterpriseDatabase", "session")
    resource["metadata"]["generation"] = 2
    resource["spec"]["memorySize"] = "1GB"
    rest.refusal = "no room"
    controller.reconcile_database("data", "session")
    assert resource["status"]["status"] == "active"
    assert resource["status"]["observedGeneration"] == 1
    assert "no room" in resource["status"]["lastActionStatus"]


def test_an_invalid_spec_is_seen_and_not_acted_on(rest: ClusterDouble) -> None:
    api, controller = running(rest, database(memorySize="plenty", redisVersion="5.0", proxyPolicy="none"))
    controller.reconcile_database("data", "session")
    status = api.get("RedisEnterpriseDatabase", "session")["status"]
    assert status["specStatus"].startswith("Invalid: spec.memorySize")
    assert "spec.redisVersion" in status["specStatus"]
    assert "spec.proxyPolicy" in status["specStatus"]
    assert status["observedGeneration"] == 1
    assert rest.bdbs == []


def test_a_database_waits_for_its_cluster(rest: ClusterDouble) -> None:
    api = KubernetesDouble(database())
    controller_of(api, rest).reconcile_database("data", "session")
    status = api.get("RedisEnterpriseDatabase", "session")["status"]
    assert status["status"] == "pending"
    assert "rec" in status["lastActionStatus"]


def test_a_database_without_its_cluster_can_be_deleted(rest: ClusterDouble) -> None:
    resource = database()
    resource["metadata"] |= {"deletionTimestamp": "now", "finalizers": [DATABASE_FINALIZER]}
    api = KubernetesDouble(resource)
    controller_of(api, rest).reconcile_database("data", "session")
    assert api.get("RedisEnterpriseDatabase", "session")["metadata"]["finalizers"] == []


@pytest.mark.parametrize(
    ("text", "size"), [("100MB", 100 * MB), ("0.5GB", 512 * MB), ("1G", 1024 * MB), ("lots", None), ("", None)]
)
def test_memory_sizes(text: str, size: int | None) -> None:
    assert memory_bytes(text) == size


@pytest.mark.parametrize(
    ("version", "modules", "expected"),
    [
        (None, [], ["search"]),
        ("8.4", [], ["search"]),
        ("7.4", [], []),
        ("7.4", [{"name": "search"}], ["search"]),
        ("8.4", [{"name": "search"}], ["search"]),
    ],
)
def test_the_search_module_comes_with_redis_8(
    version: str | None, modules: list[dict[str, Any]], expected: list[str]
) -> None:
    spec = {"modulesList": modules, **({"redisVersion": version} if version else {})}
    request = database_request(database(**spec), "password")
    assert [module["module_name"] for module in request["module_list"]] == expected


@pytest.mark.parametrize("field", ["backup", "replicaSources", "isRof", "rolesPermissions"])
def test_what_the_node_cannot_do_is_not_passed_over(field: str) -> None:
    assert any(field in mistake for mistake in database_mistakes(database(**{field: {"x": 1}})))


def test_persistence_becomes_the_clusters_settings() -> None:
    request = database_request(database(persistence="snapshotEvery6Hour"), "")
    assert request["data_persistence"] == "snapshot"
    assert request["snapshot_policy"] == [{"secs": 21600, "writes": 1}]


def test_changes_name_only_what_differs() -> None:
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == {"b": 2}


def test_services_are_named_and_typed_as_the_cluster_says() -> None:
    services = database_services(
        database(), "rec", 12000, {"serviceNaming": "redis-port", "databaseServiceType": "headless"}
    )
    assert [service["metadata"]["name"] for service in services] == ["redis-12000-headless"]
    assert services[0]["spec"]["clusterIP"] == "None"


def test_services_of_an_earlier_naming_are_removed(rest: ClusterDouble) -> None:
    api, controller = running(rest, database())
    controller.reconcile_database("data", "session")
    api.get("RedisEnterpriseCluster", "rec")["spec"]["servicesRiggerSpec"] = {"serviceNaming": "redis-port"}
    controller.reconcile_database("data", "session")
    names = {name for kind, _namespace, name in api.objects if kind == "Service"}
    assert {"redis-12000", "redis-12000-headless"} <= names
    assert "session" not in names
