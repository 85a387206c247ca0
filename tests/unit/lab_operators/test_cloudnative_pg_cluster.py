# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The reconciliation of Clusters, Databases and DatabaseRoles, against an API server and a database of dictionaries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import psycopg
import pytest
from cloudnative_pg_resources_double import NAMESPACE, cluster, ready_pod
from kubernetes_double import KubernetesDouble
from lab_operators import cloudnative_pg_cluster, cloudnative_pg_databases
from lab_operators.certificates import names_of
from lab_operators.cloudnative_pg_cluster import ClusterReconciler
from lab_operators.cloudnative_pg_databases import ClusterAccess, DatabaseReconciler, DatabaseRoleReconciler
from lab_operators.cloudnative_pg_definition import configuration_digest, instance_configuration
from lab_operators.cloudnative_pg_instance import CredentialStore, InstanceUnreachableError
from lab_operators.cloudnative_pg_manifests import instance_pod
from lab_operators.secret_data import decoded, encoded
from psycopg import sql


class Encryption:
    """The part of libpq that hashes passwords."""

    @staticmethod
    def encrypt_password(password: bytes, user: bytes, algorithm: bytes) -> bytes:
        return b"SCRAM-SHA-256$" + user + b":" + password


class ConnectionDouble:
    """Answers the questions that the stand-in asks, remembers what it is told."""

    pgconn = Encryption()

    def __init__(self, server: ServerDouble) -> None:
        self.server = server
        self._rows: list[dict[str, Any]] = []

    def __enter__(self) -> ConnectionDouble:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def transaction(self) -> nullcontext[None]:
        return nullcontext()

    def execute(self, statement: Any, parameters: Any = None) -> ConnectionDouble:
        text = statement.as_string() if isinstance(statement, sql.Composable) else statement
        text = text.decode() if isinstance(text, bytes) else text
        if "FROM pg_authid WHERE rolname" in text:
            self._rows = [row for row in self.server.roles if row["rolname"] == parameters[0]]
        elif "FROM pg_roles" in text:
            self._rows = [{"rolname": row["rolname"]} for row in self.server.roles]
        elif "FROM pg_database" in text:
            self._rows = [row for row in self.server.databases if row["datname"] == parameters[0]]
        elif "FROM pg_extension" in text or "FROM pg_namespace" in text:
            self._rows = []
        else:
            if "nope" in text:
                raise psycopg.errors.FeatureNotSupported('extension "nope" is not available\nHINT:  Install it.')
            self.server.statements.append(text)
        return self

    def fetchone(self) -> dict[str, Any] | None:
        return self._rows[0] if self._rows else None

    def fetchall(self) -> list[dict[str, Any]]:
        return self._rows


class ServerDouble:
    """One PostgreSQL server, and its instance manager."""

    def __init__(self) -> None:
        self.configuration = ""
        self.is_primary = True
        self.timeline = 1
        self.switched_over: list[str] = []
        self.reachable = True
        self.pending_restart: list[str] = []
        self.configuration_errors: list[str] = []
        self.roles: list[dict[str, Any]] = []
        self.databases: list[dict[str, Any]] = []
        self.statements: list[str] = []
        for name in ("postgres", "cnpg_operator", "streaming_replica", "app"):
            self.add_role(name)

    def add_role(self, name: str) -> None:
        attributes = ("rolsuper", "rolcreatedb", "rolcreaterole", "rolreplication", "rolbypassrls", "has_password")
        self.roles.append(
            {"rolname": name, "rolinherit": True, "rolcanlogin": True, "rolconnlimit": -1, "valid_until": None}
            | {"comment": "", "in_roles": []}
            | dict.fromkeys(attributes, False)
        )

    def status(self) -> dict[str, Any]:
        if not self.reachable:
            raise InstanceUnreachableError("no answer")
        return {
            "ready": True,
            "configuration": configuration_digest(self.configuration),
            "version": "17.2",
            "is_primary": self.is_primary,
            "is_streaming": not self.is_primary,
            "system_id": "42",
            "timeline": self.timeline,
            "pending_restart": self.pending_restart,
            "configuration_errors": self.configuration_errors,
        }

    def reconfigure(self, configuration: str) -> dict[str, Any]:
        self.configuration = configuration
        return self.status()

    def connect(self, database: str = "postgres") -> ConnectionDouble:
        return ConnectionDouble(self)

    def switch_over(self, primary: str) -> None:
        self.switched_over.append(primary)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ServerDouble]:
    double = ServerDouble()
    for module in (cloudnative_pg_cluster, cloudnative_pg_databases):
        monkeypatch.setattr(module, "Instance", lambda _address, _credentials: double)
    return double


def reconcile(api: KubernetesDouble, name: str = "pg") -> dict[str, Any]:
    reconciler = ClusterReconciler(api, CredentialStore(), "")  # type: ignore[arg-type]
    reconciler.reconcile(NAMESPACE, name)
    return dict(api.get("Cluster", name).get("status") or {})


def start_pod(api: KubernetesDouble) -> None:
    """What the kubelet does."""
    api.put(ready_pod(api.get("Pod", "pg-1")))


def healthy(server: ServerDouble, **spec: Any) -> KubernetesDouble:
    api = KubernetesDouble(cluster(**spec))
    server.configuration = instance_configuration("pg", cluster(**spec)["spec"])
    reconcile(api)
    start_pod(api)
    assert reconcile(api)["phase"] == "Cluster in healthy state"
    return api


def test_a_new_cluster_gets_its_objects_and_is_being_set_up() -> None:
    api = KubernetesDouble(cluster())
    assert reconcile(api)["phase"] == "Setting up primary"
    made = {(kind, name) for kind, _namespace, name in api.objects if kind != "Cluster"}
    assert made == {
        ("ServiceAccount", "pg"),
        ("Role", "pg"),
        ("RoleBinding", "pg"),
        ("ConfigMap", "pg-instance"),
        ("Service", "pg-rw"),
        ("Service", "pg-ro"),
        ("Service", "pg-r"),
        ("PodDisruptionBudget", "pg-primary"),
        ("PersistentVolumeClaim", "pg-1"),
        ("Secret", "pg-ca"),
        ("Secret", "pg-server"),
        ("Secret", "pg-replication"),
        ("Secret", "pg-app"),
        ("Pod", "pg-1"),
    }


def test_a_ready_instance_makes_a_healthy_cluster(server: ServerDouble) -> None:
    status = healthy(server).get("Cluster", "pg")["status"]
    assert (status["readyInstances"], status["currentPrimary"]) == (1, "pg-1")


def test_a_second_run_writes_no_status(server: ServerDouble) -> None:
    api = healthy(server)
    reconcile(api)
    written = len(api.statuses)
    reconcile(api)
    assert len(api.statuses) == written


def test_passwords_and_certificates_stay(server: ServerDouble) -> None:
    api = healthy(server)
    before = {name: api.get("Secret", name)["data"] for name in ("pg-app", "pg-ca", "pg-server")}
    reconcile(api)
    assert {name: api.get("Secret", name)["data"] for name in before} == before


def test_a_new_name_means_a_new_certificate(server: ServerDouble) -> None:
    api = healthy(server)
    api.put(cluster(certificates={"serverAltDNSNames": ["db.example"]}))
    reconcile(api)
    assert "db.example" in names_of(decoded(api.get("Secret", "pg-server"))["tls.crt"])


def test_a_changed_definition_replaces_the_pod_and_keeps_the_claim(server: ServerDouble) -> None:
    api = healthy(server)
    api.put({**cluster(imageName="postgres:2"), "status": api.get("Cluster", "pg")["status"]})
    assert reconcile(api)["phase"] == "Upgrading cluster"
    assert ("Pod", NAMESPACE, "pg-1") not in api.objects
    assert reconcile(api)["phase"] == "Waiting for the instances to become active"
    assert api.get("Pod", "pg-1")["spec"]["containers"][0]["image"] == "postgres:2"
    assert ("PersistentVolumeClaim", NAMESPACE, "pg-1") in api.objects


def test_parameters_are_handed_to_the_running_server(server: ServerDouble) -> None:
    api = healthy(server)
    spec = {"postgresql": {"parameters": {"work_mem": "8MB"}}}
    api.put({**cluster(**spec), "status": api.get("Cluster", "pg")["status"]})
    assert reconcile(api)["phase"] == "Cluster in healthy state"
    assert server.configuration == instance_configuration("pg", cluster(**spec)["spec"])


def test_parameters_that_need_a_restart_get_a_new_pod(server: ServerDouble) -> None:
    api = healthy(server)
    server.pending_restart = ["max_connections"]
    status = reconcile(api)
    assert status["phase"] == "Applying configuration"
    assert "max_connections" in status["phaseReason"]
    assert ("Pod", NAMESPACE, "pg-1") not in api.objects


def test_a_parameter_that_postgres_refuses_is_said(server: ServerDouble) -> None:
    api = healthy(server)
    server.configuration_errors = ["work_mem: setting could not be applied"]
    status = reconcile(api)
    assert (status["phase"], status["phaseReason"]) == ("Applying configuration", server.configuration_errors[0])
    assert status["conditions"][0]["status"] == "False"


@pytest.mark.parametrize(
    ("spec", "phase", "reason"),
    [
        (
            {"instances": 3, "postgresql": {"synchronous": {"method": "any", "number": 3}}},
            "Invalid cluster definition",
            "spec.postgresql.synchronous.number is 3",
        ),
        (
            {"plugins": [{"name": "b"}]},
            "Cluster cannot proceed to reconciliation due to an unknown plugin being required",
            "b",
        ),
        ({"storage": {"size": "1Gi", "storageClass": "fast"}}, "Unable to create required cluster objects", "fast"),
        ({"bootstrap": {"initdb": {"secret": {"name": "s"}}}}, "Unable to create required cluster objects", "Secret s"),
    ],
)
def test_what_cannot_be_is_said_and_no_pod_is_made(spec: dict[str, Any], phase: str, reason: str) -> None:
    api = KubernetesDouble(cluster(**spec))
    status = reconcile(api)
    assert status["phase"] == phase
    assert reason in status["phaseReason"]
    assert ("Pod", NAMESPACE, "pg-1") not in api.objects


def test_a_storage_class_that_is_there_is_used() -> None:
    api = KubernetesDouble(cluster(storage={"size": "1Gi", "storageClass": "fast"}))
    api.put({"kind": "StorageClass", "metadata": {"name": "fast", "namespace": ""}})
    reconcile(api)
    assert api.get("PersistentVolumeClaim", "pg-1")["spec"]["storageClassName"] == "fast"


def test_a_pod_that_ended_is_replaced(server: ServerDouble) -> None:
    api = healthy(server)
    api.get("Pod", "pg-1")["status"] = {"phase": "Failed", "message": "evicted"}
    assert "evicted" in reconcile(api)["phaseReason"]
    assert ("Pod", NAMESPACE, "pg-1") not in api.objects


class ThreeServers:
    """Three servers under the addresses that their pods get; the first one is the primary."""

    def __init__(self) -> None:
        self.by_name = {f"pg-{number}": ServerDouble() for number in (1, 2, 3)}
        self.lead("pg-1")

    def address(self, name: str) -> str:
        return f"10.0.0.{name[-1]}"

    def at(self, address: str) -> ServerDouble:
        return self.by_name[f"pg-{address[-1]}"]

    def lead(self, name: str, timeline: int = 1) -> None:
        for server_name, server in self.by_name.items():
            server.is_primary, server.timeline = server_name == name, timeline

    def start(self, api: KubernetesDouble) -> None:
        """What the kubelets and Patroni do with every pod there is."""
        for name, server in self.by_name.items():
            pod = api.objects.get(("Pod", NAMESPACE, name))
            if pod:
                pod = ready_pod(pod, self.address(name))
                role = "primary" if server.is_primary else "replica"
                pod["metadata"]["labels"]["cnpg.io/instanceRole"] = role
                api.put(pod)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> ThreeServers:
    doubles = ThreeServers()
    for module in (cloudnative_pg_cluster, cloudnative_pg_databases):
        monkeypatch.setattr(module, "Instance", lambda address, _credentials: doubles.at(address))
    return doubles


def settled(servers: ThreeServers, api: KubernetesDouble) -> dict[str, Any]:
    """Reconcile until the Cluster is healthy, with the world doing its part in between."""
    for _turn in range(20):
        servers.start(api)
        status = reconcile(api)
        if status["phase"] == "Cluster in healthy state":
            return status
    raise AssertionError(status)


def three_instances(servers: ThreeServers, **spec: Any) -> KubernetesDouble:
    api = KubernetesDouble(cluster(instances=3, **spec))
    settled(servers, api)
    return api


def pods_of(api: KubernetesDouble) -> list[str]:
    return [name for kind, _namespace, name in api.objects if kind == "Pod"]


def test_standbys_are_made_once_the_primary_is_there(servers: ThreeServers) -> None:
    api = KubernetesDouble(cluster(instances=3))
    reconcile(api)
    assert pods_of(api) == ["pg-1"]
    assert api.get("Pod", "pg-1")["metadata"]["annotations"]["cnpg.io/firstData"] == "true"
    servers.start(api)
    reconcile(api)
    reconcile(api)
    assert pods_of(api) == ["pg-1", "pg-2", "pg-3"]
    assert api.get("Pod", "pg-2")["metadata"]["annotations"]["cnpg.io/firstData"] == "false"
    assert reconcile(api)["phase"] == "Waiting for the instances to become active"
    status = settled(servers, api)
    assert (status["instances"], status["readyInstances"], status["currentPrimary"]) == (3, 3, "pg-1")
    assert status["instanceNames"] == ["pg-1", "pg-2", "pg-3"]


def test_data_that_are_lost_are_never_made_anew(servers: ThreeServers) -> None:
    api = three_instances(servers)
    del api.objects["Pod", NAMESPACE, "pg-1"]
    servers.lead("pg-2", timeline=2)
    reconcile(api)
    assert api.get("Pod", "pg-1")["metadata"]["annotations"]["cnpg.io/firstData"] == "false"


def test_volumes_of_a_deleted_cluster_are_taken_over(servers: ThreeServers) -> None:
    """As the vendor does it: data are there, so no instance makes first ones, and all start on what they had."""
    api = KubernetesDouble(cluster(instances=3))
    claim = {"kind": "PersistentVolumeClaim", "apiVersion": "v1"}
    labels, serial = {"cnpg.io/cluster": "pg"}, {"cnpg.io/nodeSerial": "2"}
    api.put({**claim, "metadata": {"name": "pg-2", "namespace": NAMESPACE, "labels": labels, "annotations": serial}})
    reconcile(api)
    pods = [api.get("Pod", f"pg-{number}", NAMESPACE) for number in (1, 2, 3)]
    assert [pod["metadata"]["annotations"]["cnpg.io/firstData"] for pod in pods] == ["false"] * 3
    assert api.get("PersistentVolumeClaim", "pg-2", NAMESPACE)["metadata"]["ownerReferences"][0]["name"] == "pg"


@pytest.mark.parametrize(
    "metadata",
    [
        {"annotations": {"cnpg.io/nodeSerial": "1"}, "ownerReferences": [{"uid": "another"}]},
        {"annotations": {}},
        {"annotations": {"cnpg.io/nodeSerial": "1"}, "labels": {"cnpg.io/cluster": "other"}},
    ],
    ids=["owned", "no instance's", "of another cluster"],
)
def test_other_volumes_are_not_taken_over(servers: ThreeServers, metadata: dict[str, Any]) -> None:
    api = KubernetesDouble(cluster(instances=3))
    kept = {"name": "kept", "namespace": NAMESPACE, "labels": {"cnpg.io/cluster": "pg"}, **metadata}
    api.put({"kind": "PersistentVolumeClaim", "apiVersion": "v1", "metadata": kept})
    reconcile(api)
    assert api.get("Pod", "pg-1", NAMESPACE)["metadata"]["annotations"]["cnpg.io/firstData"] == "true"


def test_a_dead_primary_loses_its_label_and_the_new_one_its_databases(servers: ThreeServers) -> None:
    api = three_instances(servers)
    leader = {"kind": "ConfigMap", "metadata": {"name": "pg-leader", "annotations": {"leader": "pg-2"}}}
    api.put(leader)
    servers.by_name["pg-1"].reachable = False
    servers.lead("pg-2", timeline=2)
    # The node is gone: nobody can say that the pod is not ready any more.
    status = reconcile(api)
    assert api.get("Pod", "pg-1")["metadata"]["labels"]["cnpg.io/instanceRole"] == "replica"
    assert status["currentPrimary"] == "pg-2"
    assert status["phase"] == "Waiting for the instances to become active"
    assert "pg-1 does not answer" in status["phaseReason"]
    assert api.get("ConfigMap", "pg-leader")["metadata"]["ownerReferences"][0]["name"] == "pg"
    api.put(database())
    assert reconcile_database(api)["applied"] is True
    assert 'CREATE DATABASE "shop" OWNER "app"' in servers.by_name["pg-2"].statements


def test_without_a_primary_it_says_failing_over(servers: ThreeServers) -> None:
    api = three_instances(servers)
    servers.by_name["pg-1"].reachable = False
    servers.by_name["pg-2"].is_primary = servers.by_name["pg-3"].is_primary = False
    status = reconcile(api)
    assert status["phase"] == "Failing over"
    assert status["currentPrimary"] == "pg-1"
    assert status["conditions"][0]["status"] == "False"


def test_a_new_definition_reaches_the_standbys_first_and_the_primary_by_switching_over(servers: ThreeServers) -> None:
    api = three_instances(servers)
    api.put({**cluster(instances=3, imageName="postgres:2"), "status": api.get("Cluster", "pg")["status"]})
    images = []
    for _turn in range(20):
        servers.start(api)
        reconcile(api)
        for name, server in servers.by_name.items():
            if server.switched_over and server.is_primary:
                assert server.switched_over == [name]
                servers.lead("pg-2", timeline=2)
        images.append({name: api.get("Pod", name)["spec"]["containers"][0]["image"][-1] for name in pods_of(api)})
    order = [turn for index, turn in enumerate(images) if index == 0 or turn != images[index - 1]]
    assert [name for turn in order for name in ("pg-1", "pg-2", "pg-3") if name not in turn] == ["pg-2", "pg-3", "pg-1"]
    assert order[-1] == {"pg-1": "2", "pg-2": "2", "pg-3": "2"}
    assert settled(servers, api)["currentPrimary"] == "pg-2"


def test_fewer_instances_lose_their_pods_and_volumes(servers: ThreeServers) -> None:
    api = three_instances(servers)
    api.put({**cluster(instances=2), "status": api.get("Cluster", "pg")["status"]})
    settled(servers, api)
    assert pods_of(api) == ["pg-1", "pg-2"]
    claims = [name for kind, _namespace, name in api.objects if kind == "PersistentVolumeClaim"]
    assert claims == ["pg-1", "pg-2"]


def role_spec(*roles: dict[str, Any]) -> dict[str, Any]:
    return {"managed": {"roles": [{"login": True, **role} for role in roles]}}


def password_secret(name: str, user: str, password: str, version: str = "1") -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": version}
    return {"kind": "Secret", "metadata": metadata, "data": encoded({"username": user, "password": password})}


def test_managed_roles_are_made_and_their_password_is_never_sent(server: ServerDouble) -> None:
    api = KubernetesDouble(cluster(**role_spec({"name": "user", "passwordSecret": {"name": "s"}})))
    api.put(password_secret("s", "user", "very secret"))
    server.configuration = instance_configuration("pg", cluster()["spec"])
    reconcile(api)
    start_pod(api)
    status = reconcile(api)
    (statement,) = [statement for statement in server.statements if statement.startswith("CREATE ROLE")]
    assert "PASSWORD 'SCRAM-SHA-256$user:very secret'" in statement
    assert status["managedRolesStatus"]["byStatus"]["reconciled"] == ["user"]
    assert status["managedRolesStatus"]["passwordStatus"]["user"] == {"resourceVersion": "1"}


def test_a_password_is_set_again_only_when_its_secret_changed(server: ServerDouble) -> None:
    api = healthy(server)
    server.add_role("user")
    server.roles[-1]["has_password"] = True
    api.put(password_secret("s", "user", "one"))
    spec = role_spec({"name": "user", "passwordSecret": {"name": "s"}})
    api.put({**cluster(**spec), "status": api.get("Cluster", "pg")["status"]})
    reconcile(api)
    server.statements.clear()
    reconcile(api)
    assert [statement for statement in server.statements if '"user"' in statement] == []
    api.put(password_secret("s", "user", "two", version="2"))
    reconcile(api)
    assert "ALTER ROLE \"user\" PASSWORD 'SCRAM-SHA-256$user:two'" in server.statements


@pytest.mark.parametrize(
    ("secret", "words"),
    [
        (None, "Secret s does not exist"),
        ({"username": "user"}, "Secret s has no password"),
        ({"username": "other", "password": "x"}, "Secret s is for other, not for user"),
    ],
)
def test_a_bad_password_secret_concerns_its_role_only(
    server: ServerDouble, secret: dict[str, str] | None, words: str
) -> None:
    api = healthy(server)
    if secret:
        api.put({"kind": "Secret", "metadata": {"name": "s"}, "data": encoded(secret)})
    roles = role_spec({"name": "user", "passwordSecret": {"name": "s"}}, {"name": "fine"})
    api.put({**cluster(**roles), "status": api.get("Cluster", "pg")["status"]})
    status = reconcile(api)
    assert status["phase"] == "Cluster in healthy state"
    assert status["managedRolesStatus"]["cannotReconcile"] == {"user": [words]}
    assert status["managedRolesStatus"]["byStatus"]["reconciled"] == ["fine"]


def test_superuser_secret_comes_and_goes(server: ServerDouble) -> None:
    api = healthy(server, enableSuperuserAccess=True)
    assert decoded(api.get("Secret", "pg-superuser"))["username"] == "postgres"
    server.roles[0]["has_password"] = True
    api.put({**cluster(), "status": api.get("Cluster", "pg")["status"]})
    reconcile(api)
    assert ("Secret", NAMESPACE, "pg-superuser") not in api.objects
    assert "ALTER ROLE postgres PASSWORD NULL" in server.statements


def test_the_pod_of_another_definition_is_not_taken_for_ours() -> None:
    api = KubernetesDouble(cluster(), ready_pod(instance_pod(cluster(), "pg-1", "older")))
    assert reconcile(api)["phase"] == "Upgrading cluster"


def database(name: str = "db", created: str = "2026-01-01T00:00:00Z", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Database",
        "metadata": {"name": name, "namespace": NAMESPACE, "creationTimestamp": created},
        "spec": {"cluster": {"name": "pg"}, "name": "shop", "owner": "app", **spec},
    }


def reconcile_database(api: KubernetesDouble, name: str = "db") -> dict[str, Any]:
    access = ClusterAccess(api, CredentialStore())  # type: ignore[arg-type]
    DatabaseReconciler(access).reconcile(NAMESPACE, name)
    return dict(api.objects.get(("Database", NAMESPACE, name), {}).get("status") or {})


def test_a_database_is_made_with_schemas_before_extensions(server: ServerDouble) -> None:
    api = healthy(server)
    api.put(database(extensions=[{"name": "vector", "schema": "s"}], schemas=[{"name": "s"}]))
    server.statements.clear()
    status = reconcile_database(api)
    assert server.statements == [
        'CREATE DATABASE "shop" OWNER "app"',
        'CREATE SCHEMA "s"',
        'CREATE EXTENSION "vector" SCHEMA "s"',
    ]
    assert (status["applied"], status["observedGeneration"]) == (True, 1)
    assert status["extensions"] == [{"name": "vector", "applied": True}]


def test_one_bad_extension_does_not_keep_back_the_others(server: ServerDouble) -> None:
    api = healthy(server)
    api.put(database(extensions=[{"name": "nope"}, {"name": "vector"}]))
    status = reconcile_database(api)
    assert status["applied"] is False
    assert status["message"] == 'extensions nope: extension "nope" is not available; HINT:  Install it.'
    assert "observedGeneration" not in status
    assert status["extensions"][1] == {"name": "vector", "applied": True}


def test_a_database_waits_for_its_cluster() -> None:
    api = KubernetesDouble(database())
    assert reconcile_database(api)["message"] == 'cluster "pg" not found'
    api.put(cluster())
    assert "waiting" in reconcile_database(api)["message"]


def test_two_resources_for_one_database(server: ServerDouble) -> None:
    api = healthy(server)
    api.put(database("older"))
    api.put(database("younger", created="2026-02-01T00:00:00Z"))
    assert reconcile_database(api, "older")["applied"] is True
    assert 'already managed by object "older"' in reconcile_database(api, "younger")["message"]


def test_only_deletion_by_policy_drops_the_database(server: ServerDouble) -> None:
    api = healthy(server)
    api.put(database(databaseReclaimPolicy="delete"))
    reconcile_database(api)
    resource = api.get("Database", "db")
    assert resource["metadata"]["finalizers"] == ["cnpg.io/deleteDatabase"]
    resource["metadata"]["deletionTimestamp"] = "2026-03-01T00:00:00Z"
    reconcile_database(api)
    assert server.statements[-1] == 'DROP DATABASE IF EXISTS "shop" WITH (FORCE)'
    assert api.get("Database", "db")["metadata"]["finalizers"] == []
    api.put(database("kept"))
    reconcile_database(api, "kept")
    assert not api.get("Database", "kept")["metadata"].get("finalizers")


def test_a_database_role_yields_to_the_clusters_own(server: ServerDouble) -> None:
    api = healthy(server, **role_spec({"name": "user"}))
    for name in ("user", "reporting"):
        spec = {"cluster": {"name": "pg"}, "name": name, "login": True}
        metadata = {"name": name, "namespace": NAMESPACE}
        api.put({"apiVersion": "postgresql.cnpg.io/v1", "kind": "DatabaseRole", "metadata": metadata, "spec": spec})
        access = ClusterAccess(api, CredentialStore())  # type: ignore[arg-type]
        DatabaseRoleReconciler(access).reconcile(NAMESPACE, name)
    assert api.get("DatabaseRole", "user")["status"]["message"] == 'role "user" is already managed by the cluster'
    assert api.get("DatabaseRole", "reporting")["status"]["applied"] is True
    assert server.statements[-1].startswith('CREATE ROLE "reporting"')
