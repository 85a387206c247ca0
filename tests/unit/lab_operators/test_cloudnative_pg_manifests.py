# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of a Cluster."""

from __future__ import annotations

from typing import Any

import pytest
from cloudnative_pg_resources_double import cluster
from lab_operators.cloudnative_pg_manifests import (
    POD_HASH,
    application_login,
    claims,
    disruption_budgets,
    instance_pod,
    login_secret,
    permissions,
    server_names,
    service_account,
    services,
)
from lab_operators.secret_data import decoded


def pod(**spec: Any) -> dict[str, Any]:
    return instance_pod(cluster(**spec), "pg-1", "postgres:1")


def test_services_select_by_the_vendors_labels() -> None:
    selectors = {service["metadata"]["name"]: service["spec"]["selector"] for service in services(cluster())}
    assert selectors == {
        "pg-rw": {"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "primary"},
        "pg-ro": {"cnpg.io/cluster": "pg", "cnpg.io/instanceRole": "replica"},
        "pg-r": {"cnpg.io/cluster": "pg", "cnpg.io/podRole": "instance"},
    }
    assert {service["spec"]["ports"][0]["port"] for service in services(cluster())} == {5432}


def test_services_can_be_left_out() -> None:
    spec = {"managed": {"services": {"disabledDefaultServices": ["ro", "r"]}}}
    assert [service["metadata"]["name"] for service in services(cluster(**spec))] == ["pg-rw"]


def test_everything_is_deleted_with_the_cluster() -> None:
    owner = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster", "name": "pg", "uid": "1-2-3"}
    made = [*services(cluster()), *claims(cluster(), "pg-1"), *disruption_budgets(cluster()), pod()]
    for manifest in made:
        reference = manifest["metadata"]["ownerReferences"][0]
        assert owner.items() <= reference.items()
        assert reference["controller"] is True


def test_the_pod_has_the_vendors_labels_and_ports() -> None:
    labels = pod()["metadata"]["labels"]
    assert labels["cnpg.io/cluster"] == "pg"
    assert labels["cnpg.io/instanceName"] == "pg-1"
    assert labels["cnpg.io/podRole"] == "instance"
    assert "cnpg.io/instanceRole" not in labels  # Patroni says who is what
    ports = {port["name"]: port["containerPort"] for port in pod()["spec"]["containers"][0]["ports"]}
    assert ports == {"postgresql": 5432, "metrics": 9187, "status": 8000}


def test_the_pod_is_restricted() -> None:
    spec = pod()["spec"]
    container = spec["containers"][0]["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["allowPrivilegeEscalation"] is False
    assert container["capabilities"] == {"drop": ["ALL"]}
    assert container["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"imageName": "ignored", "resources": {"requests": {"memory": "1Gi"}}},
        {"affinity": {"nodeSelector": {"disk": "fast"}}},
        {"walStorage": {"size": "1Gi"}},
        {"env": [{"name": "TZ", "value": "UTC"}]},
    ],
)
def test_what_needs_a_new_pod_changes_its_name_for_that(change: dict[str, Any]) -> None:
    assert pod(**change)["metadata"]["annotations"][POD_HASH] != pod()["metadata"]["annotations"][POD_HASH]


def test_parameters_do_not_need_a_new_pod() -> None:
    changed = pod(postgresql={"parameters": {"work_mem": "8MB"}})
    assert changed["metadata"]["annotations"][POD_HASH] == pod()["metadata"]["annotations"][POD_HASH]


@pytest.mark.parametrize(
    ("affinity", "rule"),
    [
        ({}, "preferredDuringSchedulingIgnoredDuringExecution"),
        ({"podAntiAffinityType": "required"}, "requiredDuringSchedulingIgnoredDuringExecution"),
    ],
)
def test_anti_affinity(affinity: dict[str, Any], rule: str) -> None:
    assert list(pod(affinity=affinity)["spec"]["affinity"]["podAntiAffinity"]) == [rule]


def test_anti_affinity_can_be_off() -> None:
    assert "affinity" not in pod(affinity={"enablePodAntiAffinity": False})["spec"]


def test_the_clusters_probe_numbers_win() -> None:
    container = pod(probes={"readiness": {"periodSeconds": 3}}, startDelay=60)["spec"]["containers"][0]
    assert container["readinessProbe"]["periodSeconds"] == 3
    assert container["readinessProbe"]["failureThreshold"] == 3
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 8000, "scheme": "HTTPS"}
    assert container["startupProbe"]["failureThreshold"] == 60


def test_claims() -> None:
    storage = {"size": "5Gi", "storageClass": "fast", "pvcTemplate": {"accessModes": ["ReadWriteOncePod"]}}
    data, wal = claims(cluster(storage=storage, walStorage={"size": "1Gi"}), "pg-1")
    assert data["metadata"]["name"] == "pg-1"
    assert data["spec"] == {
        "accessModes": ["ReadWriteOncePod"],
        "resources": {"requests": {"storage": "5Gi"}},
        "storageClassName": "fast",
    }
    assert wal["metadata"]["name"] == "pg-1-wal"
    assert wal["metadata"]["labels"]["cnpg.io/pvcRole"] == "PG_WAL"
    assert "storageClassName" not in wal["spec"]


def test_login_secret_has_every_form() -> None:
    secret = login_secret(cluster(), "pg-app", "shop user", "p@ss/word", "shop")
    assert secret["type"] == "kubernetes.io/basic-auth"
    assert secret["metadata"]["labels"]["cnpg.io/userType"] == "app"
    values = decoded(secret)
    assert values["username"] == values["user"] == "shop user"
    assert values["host"] == "pg-rw"
    assert values["port"] == "5432"
    assert values["uri"] == "postgresql://shop%20user:p%40ss%2Fword@pg-rw.data:5432/shop"
    assert values["fqdn-uri"].endswith("@pg-rw.data.svc.cluster.local:5432/shop")
    assert values["jdbc-uri"] == "jdbc:postgresql://pg-rw.data:5432/shop?password=p%40ss%2Fword&user=shop%20user"
    assert values["pgpass"] == "pg-rw:5432:shop:shop user:p@ss/word\n"


def test_application_secret_is_the_owners() -> None:
    values = decoded(application_login(cluster(bootstrap={"initdb": {"database": "d", "owner": "o"}}), "pw"))
    assert (values["username"], values["dbname"], values["password"]) == ("o", "d", "pw")


def test_server_names_reach_from_everywhere() -> None:
    names = server_names("pg", "data")
    assert {"pg-rw", "pg-rw.data", "pg-rw.data.svc", "pg-rw.data.svc.cluster.local", "pg-ro.data.svc"} <= set(names)


def test_budget_can_be_off() -> None:
    assert disruption_budgets(cluster(enablePDB=False)) == []
    assert disruption_budgets(cluster())[0]["metadata"]["name"] == "pg-primary"


@pytest.mark.parametrize(("instances", "kept"), [(1, {}), (2, {}), (3, {"pg": 1}), (5, {"pg": 3})])
def test_one_standby_at_a_time_may_be_evicted(instances: int, kept: dict[str, int]) -> None:
    budgets = {
        budget["metadata"]["name"]: budget["spec"] for budget in disruption_budgets(cluster(instances=instances))
    }
    assert budgets.pop("pg-primary")["minAvailable"] == 1
    assert {name: spec["minAvailable"] for name, spec in budgets.items()} == kept
    for spec in budgets.values():
        assert spec["selector"]["matchLabels"]["cnpg.io/instanceRole"] == "replica"


def test_the_instances_may_keep_patronis_state_and_nothing_else() -> None:
    role, binding = permissions(cluster(serviceAccountName="other"))
    assert [rule["resources"] for rule in role["rules"]] == [["configmaps"], ["pods"]]
    assert binding["roleRef"]["name"] == role["metadata"]["name"] == "pg"
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "other", "namespace": "data"}]


def test_who_makes_the_first_data_does_not_change_the_pods_definition() -> None:
    first = instance_pod(cluster(), "pg-1", "postgres:1", first_data=True)
    assert first["metadata"]["annotations"]["cnpg.io/firstData"] == "true"
    assert first["metadata"]["annotations"][POD_HASH] == pod()["metadata"]["annotations"][POD_HASH]


def test_metadata_is_inherited() -> None:
    inherited = {"labels": {"team": "a"}, "annotations": {"note": "b"}}
    account = service_account(cluster(inheritedMetadata=inherited))
    assert account["metadata"]["labels"] == {"team": "a", "cnpg.io/cluster": "pg"}
    assert account["metadata"]["annotations"] == {"note": "b"}
