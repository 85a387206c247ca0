# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vendors' manifests fit the platform's namespaces, and what they serve is judged."""

from __future__ import annotations

import base64

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.filter.operator_manifests import operator_manifests as fitted_text
from ansible_collections.azora.platform.plugins.module_utils._operator_manifests import (
    definition_findings,
    mirrored,
    operator_downgrades,
    operator_findings,
    operator_manifests,
    required_definitions,
)


def binding(name, role):
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": "myproject"}],
    }


DOCUMENTS = [
    None,
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vendor-system"}},
    binding("watched", "strimzi-cluster-operator-watched"),
    binding("leader", "strimzi-cluster-operator-leader-election"),
    {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "operator", "namespace": "vendor-system"},
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "operator",
                            "env": [
                                {
                                    "name": "STRIMZI_NAMESPACE",
                                    "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}},
                                },
                                {"name": "OTHER", "value": "kept"},
                            ],
                        }
                    ]
                }
            }
        },
    },
    {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "webhooks"},
        "webhooks": [{"clientConfig": {"service": {"name": "webhook", "namespace": "vendor-system"}}}],
    },
    {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.example.org"},
        "spec": {"versions": []},
        "status": {"acceptedNames": {}},
    },
]


def test_everything_moves_into_the_operators_namespace_and_namespaces_stay_out():
    manifests = operator_manifests(DOCUMENTS, "ours")
    assert "Namespace" not in {entry["kind"] for entry in manifests}
    places = {entry["kind"]: entry["metadata"].get("namespace") for entry in manifests}
    assert places["Deployment"] == places["RoleBinding"] == "ours"
    assert places["ValidatingWebhookConfiguration"] is None
    subjects = [subject for entry in manifests for subject in entry.get("subjects", [])]
    assert {subject["namespace"] for subject in subjects} == {"ours"}
    webhooks = next(entry for entry in manifests if "webhooks" in entry)["webhooks"]
    assert webhooks[0]["clientConfig"]["service"]["namespace"] == "ours"


def test_definitions_come_first_and_without_a_status():
    first = operator_manifests(DOCUMENTS, "ours")[0]
    assert first["kind"] == "CustomResourceDefinition"
    assert "status" not in first


def test_the_operator_watches_other_namespaces_with_rights_in_each():
    manifests = operator_manifests(DOCUMENTS, "ours", ["data", "more"])
    bindings = {
        (entry["metadata"]["namespace"], entry["metadata"]["name"])
        for entry in manifests
        if entry["kind"] == "RoleBinding"
    }
    assert bindings == {("ours", "watched"), ("data", "watched"), ("more", "watched"), ("ours", "leader")}
    deployment = next(entry for entry in manifests if entry["kind"] == "Deployment")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["env"] == [
        {"name": "STRIMZI_NAMESPACE", "value": "data,more"},
        {"name": "OTHER", "value": "kept"},
    ]


def test_the_vendors_documents_stay_as_they_are():
    before = repr(DOCUMENTS)
    operator_manifests(DOCUMENTS, "ours", ["data"])
    assert repr(DOCUMENTS) == before


def test_text_goes_in_and_text_comes_out():
    files = ["kind: ConfigMap\nmetadata: {name: one}\n---\n# nothing\n", "---\nkind: Secret\nmetadata: {name: two}\n"]
    documents = list(yaml.safe_load_all(fitted_text(files, "ours")))
    assert [(entry["kind"], entry["metadata"]["namespace"]) for entry in documents] == [
        ("ConfigMap", "ours"),
        ("Secret", "ours"),
    ]
    with pytest.raises(AnsibleFilterError, match="not YAML"):
        fitted_text(["{"], "ours")


def definition(name, version, *, served=True, established="True"):
    return {
        "metadata": {"name": name},
        "spec": {"versions": [{"name": version, "served": served}]},
        "status": {"conditions": [{"type": "Established", "status": established}]},
    }


def test_definitions_are_needed_in_the_versions_that_the_roles_use(catalogue):
    definitions = [definition(name, version) for name, version in required_definitions(catalogue).items()]
    assert len(definitions) == 8
    assert definition_findings(catalogue, definitions) == []
    kafka, clusters = "kafkas.kafka.strimzi.io", "clusters.postgresql.cnpg.io"
    definitions = [
        entry
        for entry in definitions
        if entry["metadata"]["name"] not in (kafka, clusters, "databases.postgresql.cnpg.io")
    ]
    definitions += [definition(kafka, "v1beta2"), definition(clusters, "v1", established="False")]
    assert definition_findings(catalogue, definitions) == [
        f"the custom resource definition {kafka} serves v1beta2, but v1 is needed: install a newer operator",
        f"the custom resource definition {clusters} is not established yet",
        "the custom resource definition databases.postgresql.cnpg.io (v1) is not there",
    ]


def test_definitions_of_stores_that_are_not_used_are_not_needed(catalogue):
    fewer = catalogue | {"stores": [store for store in catalogue["stores"] if store["kind"] == "redis"]}
    assert {name.partition(".")[2] for name in required_definitions(fewer)} == {"app.redislabs.com"}


def deployment(namespace, labels, available=1):
    return {
        "metadata": {"namespace": namespace, "name": "operator", "generation": 1},
        "spec": {"replicas": 1, "template": {"metadata": {"labels": labels}}},
        "status": {"observedGeneration": 1, "availableReplicas": available, "updatedReplicas": available},
    }


def test_operators_are_found_by_the_labels_of_their_pods(catalogue):
    found = [
        deployment("operators", {"app.kubernetes.io/name": "cloudnative-pg", "more": "labels"}),
        deployment("cache", {"name": "redis-enterprise-operator"}, available=0),
        deployment("elsewhere", {"strimzi.io/kind": "cluster-operator"}),
    ]
    assert operator_findings(catalogue, found) == [
        "the operator redis-enterprise in cache has 0 of 1 pods available",
        "the operator strimzi in operators has no Deployment whose pods carry its labels",
    ]


DIGEST = "sha256:" + "a" * 64
MIRROR = "registry.example.com:5000/mirror"


@pytest.mark.parametrize(
    ("image", "moved"),
    [
        ("ghcr.io/cloudnative-pg/cloudnative-pg:1.30.0", f"{MIRROR}/cloudnative-pg/cloudnative-pg:1.30.0"),
        (f"quay.io/strimzi/operator@{DIGEST}", f"{MIRROR}/strimzi/operator@{DIGEST}"),
        (f"quay.io:443/strimzi/operator:1.2.0@{DIGEST}", f"{MIRROR}/strimzi/operator:1.2.0@{DIGEST}"),
        ("redislabs/operator:8.0.20-23", f"{MIRROR}/redislabs/operator:8.0.20-23"),
        (f"{MIRROR}/strimzi/operator:1.2.0", f"{MIRROR}/strimzi/operator:1.2.0"),
    ],
)
def test_an_image_under_its_mirror(image, moved):
    assert mirrored(image, MIRROR) == moved
    assert mirrored(image, f"{MIRROR}/") == moved


def test_images_are_pulled_when_it_is_said_and_else_as_released():
    pod = {"containers": [{"name": "manager", "imagePullPolicy": "Always"}], "initContainers": [{"name": "first"}]}
    deployment = {"kind": "Deployment", "metadata": {"name": "operator"}, "spec": {"template": {"spec": pod}}}
    (as_released,) = operator_manifests([deployment], "ours")
    assert as_released["spec"]["template"]["spec"] == pod
    (told,) = operator_manifests([deployment], "ours", pull_policy="IfNotPresent")
    changed = told["spec"]["template"]["spec"]
    assert [one["imagePullPolicy"] for one in (*changed["containers"], *changed["initContainers"])] == [
        "IfNotPresent"
    ] * 2


def test_images_come_from_the_mirror_also_those_that_the_environment_names():
    documents = [yaml.safe_load(yaml.safe_dump(document)) for document in DOCUMENTS]
    container = documents[4]["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "quay.io/strimzi/operator:1.2.0"
    container["env"] += [
        {
            "name": "STRIMZI_KAFKA_IMAGES",
            "value": "4.2.0=quay.io/strimzi/kafka:1.2.0-kafka-4.2.0\n4.3.1=quay.io/strimzi/kafka:1.2.0-kafka-4.3.1\n",
        },
        {"name": "URL", "value": "https://example.org/path"},
        {"name": "PERIOD", "value": "120000"},
    ]
    deployment = next(
        entry for entry in operator_manifests(documents, "ours", mirror=MIRROR) if entry["kind"] == "Deployment"
    )
    found = deployment["spec"]["template"]["spec"]["containers"][0]
    assert found["image"] == f"{MIRROR}/strimzi/operator:1.2.0"
    assert {variable["name"]: variable.get("value") for variable in found["env"]} == {
        "STRIMZI_NAMESPACE": None,
        "OTHER": "kept",
        "STRIMZI_KAFKA_IMAGES": f"4.2.0={MIRROR}/strimzi/kafka:1.2.0-kafka-4.2.0\n4.3.1={MIRROR}/strimzi/kafka:1.2.0-kafka-4.3.1\n",
        "URL": "https://example.org/path",
        "PERIOD": "120000",
    }


@pytest.mark.parametrize(
    ("image", "version", "refused"),
    [
        ("quay.io/strimzi/operator:1.2.0", "1.1.0", True),
        ("quay.io/strimzi/operator:1.10.0", "1.9.3", True),
        (f"quay.io/strimzi/operator:1.2.0@{DIGEST}", "1.1.0", True),
        ("quay.io/strimzi/operator:8.0.20-23", "8.0.20-5", True),
        ("quay.io/strimzi/operator:1.2.0", "1.2.0", False),
        ("quay.io/strimzi/operator:1.2.0", "1.3.0", False),
        ("quay.io/strimzi/operator:latest", "1.1.0", False),
        (f"quay.io/strimzi/operator@{DIGEST}", "1.1.0", False),
        ("quay.io/strimzi/operator:1.2.0", "", False),
    ],
)
def test_an_operator_is_not_replaced_by_an_older_one(catalogue, image, version, refused):
    operator = next(entry for entry in catalogue["operators"] if entry["name"] == "strimzi")
    deployment = {
        "metadata": {"name": "strimzi", "namespace": operator["namespace"]},
        "spec": {
            "template": {
                "metadata": {"labels": dict(operator["pod_labels"])},
                "spec": {"containers": [{"image": image}]},
            }
        },
    }
    sentences = operator_downgrades(catalogue, [deployment], {"strimzi": version})
    assert bool(sentences) == refused
    assert all(f"would become {version}" in sentence for sentence in sentences)


def test_the_sign_of_equality_is_text():
    # In the Prometheus operator's definitions; PyYAML takes it for a tag that it cannot construct.
    text = "kind: CustomResourceDefinition\nmetadata: {name: one}\nspec:\n  enum:\n    - '!='\n    - =\n"
    (document,) = yaml.safe_load_all(fitted_text([text], "ours"))
    assert document["spec"]["enum"] == ["!=", "="]


def test_only_definitions_are_left_of_a_manifest():
    assert {entry["kind"] for entry in operator_manifests(DOCUMENTS, "ours", definitions_only=True)} == {
        "CustomResourceDefinition"
    }


PLUGIN = """\
apiVersion: v1
kind: Secret
metadata: {name: plugin}
data:
  SIDECAR_IMAGE: |
    Z2hjci5pby9jbG91ZG5hdGl2ZS1wZy9wbHVnaW4tYmFybWFuLWNsb3VkLXNpZGVjYXItdG
    VzdGluZzptYWlu
  KEY: //79
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: server}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: plugin}
spec:
  template:
    spec:
      containers:
        - name: plugin
          image: ghcr.io/cloudnative-pg/plugin-barman-cloud-testing:main
          args: ["--reloader=quay.io/prometheus-operator/prometheus-config-reloader:v0.93.0", "--server-address=:9090"]
"""


def test_images_of_a_build_are_replaced_also_in_a_secret_and_come_from_the_mirror():
    images = {
        "ghcr.io/cloudnative-pg/plugin-barman-cloud-testing:main": "ghcr.io/cloudnative-pg/plugin-barman-cloud:v0.14.0",
        "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar-testing:main": "ghcr.io/cloudnative-pg/plugin-barman-cloud-sidecar:v0.14.0",
    }
    found = {
        entry["kind"]: entry for entry in yaml.safe_load_all(fitted_text([PLUGIN], "ours", [], MIRROR, images=images))
    }
    container = found["Deployment"]["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == f"{MIRROR}/cloudnative-pg/plugin-barman-cloud:v0.14.0"
    assert container["args"] == [
        f"--reloader={MIRROR}/prometheus-operator/prometheus-config-reloader:v0.93.0",
        "--server-address=:9090",
    ]
    assert base64.b64decode(found["Secret"]["data"]["SIDECAR_IMAGE"]).decode() == (
        f"{MIRROR}/cloudnative-pg/plugin-barman-cloud-sidecar:v0.14.0"
    )
    assert found["Secret"]["data"]["KEY"] == "//79"


def test_certificates_of_others_are_left_to_them():
    kinds = {entry["kind"] for entry in yaml.safe_load_all(fitted_text([PLUGIN], "ours", without_certificates=True))}
    assert kinds == {"Secret", "Deployment"}
    assert "Certificate" in {entry["kind"] for entry in yaml.safe_load_all(fitted_text([PLUGIN], "ours"))}


def test_definitions_of_operators_that_manage_no_store_are_needed(catalogue):
    operators = [*catalogue["operators"], {"name": "barman-cloud"}, {"name": "prometheus-operator"}]
    more = set(required_definitions(catalogue | {"operators": operators})) - set(required_definitions(catalogue))
    assert more == {
        "objectstores.barmancloud.cnpg.io",
        "podmonitors.monitoring.coreos.com",
        "prometheusrules.monitoring.coreos.com",
        "servicemonitors.monitoring.coreos.com",
    }
