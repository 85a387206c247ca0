# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Strimzi: a cluster's configuration, objects, certificates and status."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID
from kubernetes_double import KubernetesDouble, roll_out
from lab_operators.kubernetes_api import KubernetesError
from lab_operators.strimzi_certificates import authority_of, decoded_text, node_certificates
from lab_operators.strimzi_cluster import (
    Pool,
    cluster_objects,
    heap_options,
    jvm_options,
    kafka_mistakes,
    kafka_warnings,
    network_policy,
    numbered_pools,
    pool_objects,
)
from lab_operators.strimzi_configuration import server_properties
from lab_operators.strimzi_controller import Connections, KafkaController, StrimziSettings
from lab_operators.strimzi_status import pods_problem, status_change
from strimzi_resources import NAMES, SCRAM_LISTENER, KafkaDouble, kafka, pool

SETTINGS = StrimziSettings(image="kafka:1")


def properties(roles: list[str], **settings: Any) -> dict[str, str]:
    text = server_properties(NAMES, kafka(**settings), roles, pool()["spec"]["storage"], {0: "bus-node-0"})
    return dict(line.split("=", 1) for line in text.splitlines())


def objects_of(resource: dict[str, Any], cluster: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    manifests = pool_objects(
        cluster or kafka(),
        NAMES,
        Pool(resource, (0,)),
        image="kafka:1",
        cluster_id="id",
        voters={0: "bus-node-0"},
        metrics="rules: []",
        certificates_checksum="x",
    )
    return {manifest["kind"]: manifest for manifest in manifests}


class World:
    """A cluster with its operator."""

    def __init__(self, *resources: dict[str, Any]) -> None:
        self.api = KubernetesDouble(*resources)
        self.admin = KafkaDouble()
        connections = Connections(self.api, lambda *_: self.admin)  # type: ignore[arg-type, return-value]
        self.swept: list[str] = []
        self.controller = KafkaController(
            self.api,  # type: ignore[arg-type]
            SETTINGS,
            connections,
            lambda resource, _: self.swept.append(resource["metadata"]["name"]),
        )

    def reconcile(self) -> None:
        self.controller.reconcile("data", "bus")

    def roll_out(self, name: str = "bus-node") -> None:
        roll_out(self.api.get("StatefulSet", name))

    @property
    def status(self) -> dict[str, Any]:
        return self.api.get("Kafka", "bus").get("status") or {}

    @property
    def condition(self) -> dict[str, Any]:
        return self.status["conditions"][-1]


@pytest.fixture
def world() -> World:
    """A cluster that is ready."""
    world = World(kafka(), pool())
    world.reconcile()
    world.roll_out()
    world.reconcile()
    return world


def test_a_combined_node_listens_for_controllers_brokers_and_clients() -> None:
    options = properties(["controller", "broker"])
    assert options["process.roles"] == "broker,controller"
    assert options["listeners"] == (
        "CONTROLPLANE-9090://0.0.0.0:9090,REPLICATION-9091://0.0.0.0:9091,TLS-9093://0.0.0.0:9093"
    )
    assert options["listener.security.protocol.map"] == "CONTROLPLANE-9090:SSL,REPLICATION-9091:SSL,TLS-9093:SASL_SSL"
    assert options["controller.quorum.voters"] == "0@bus-node-0.bus-kafka-brokers.data.svc.cluster.local:9090"
    assert "TLS-9093://@POD_NAME@.bus-kafka-brokers.data.svc:9093" in options["advertised.listeners"]
    assert options["listener.name.replication-9091.ssl.client.auth"] == "required"
    assert options["listener.name.tls-9093.sasl.enabled.mechanisms"] == "SCRAM-SHA-512"


def test_a_controller_serves_no_clients_and_a_broker_no_controllers() -> None:
    controller, broker = properties(["controller"]), properties(["broker"])
    assert controller["listeners"] == "CONTROLPLANE-9090://0.0.0.0:9090"
    assert "advertised.listeners" not in controller
    assert "CONTROLPLANE" not in broker["listeners"]
    assert "CONTROLPLANE-9090:SSL" in broker["listener.security.protocol.map"]


def test_brokers_and_operator_may_do_everything() -> None:
    users = properties(["broker"], authorization={"type": "simple", "superUsers": ["CN=admin"]})["super.users"]
    assert users.split(";") == [
        "User:CN=bus-kafka,O=io.strimzi",
        "User:CN=cluster-operator,O=io.strimzi",
        "User:CN=admin",
    ]


def test_without_authorization_there_is_no_authorizer() -> None:
    assert "authorizer.class.name" not in properties(["broker"], authorization=None)


def test_free_configuration_is_taken_over_except_what_is_the_operators() -> None:
    config = {"auto.create.topics.enable": False, "log.retention.hours": 24, "node.id": 7, "ssl.protocol": "TLSv1.3"}
    options = properties(["broker"], config=config)
    assert options["auto.create.topics.enable"] == "false"
    assert options["log.retention.hours"] == "24"
    assert options["node.id"] == "@NODE_ID@"
    assert options["ssl.protocol"] == "TLSv1.3"
    assert "node.id" in kafka_warnings(kafka(config=config), None)[0]


def test_a_listener_with_client_certificates_trusts_the_clients_authority() -> None:
    listener = {"name": "mtls", "port": 9094, "type": "internal", "tls": True, "authentication": {"type": "tls"}}
    options = properties(["broker"], listeners=[listener])
    assert options["listener.name.mtls-9094.ssl.client.auth"] == "required"
    assert options["listener.name.mtls-9094.ssl.truststore.location"] == "/etc/kafka/clients-ca/ca.crt"


def test_metadata_lives_on_the_shared_volume() -> None:
    volumes = [
        {"id": 0, "type": "persistent-claim", "size": "1Gi"},
        {"id": 1, "type": "persistent-claim", "size": "1Gi", "kraftMetadata": "shared"},
    ]
    text = server_properties(NAMES, kafka(), ["broker", "controller"], {"type": "jbod", "volumes": volumes}, {0: "p"})
    assert "log.dirs=/var/lib/kafka/data-0/kafka-log@NODE_ID@,/var/lib/kafka/data-1/kafka-log@NODE_ID@\n" in text
    assert "metadata.log.dir=/var/lib/kafka/data-1/kafka-log@NODE_ID@\n" in text


def test_pools_are_numbered_in_blocks_and_keep_their_numbers() -> None:
    pools = numbered_pools([pool("controller", replicas=3), pool("broker", replicas=3)])
    assert {entry.name: entry.node_ids for entry in pools} == {"broker": (0, 1, 2), "controller": (3, 4, 5)}
    kept = pool("controller")
    kept["status"] = {"nodeIds": [0]}
    pools = numbered_pools([kept, pool("broker")])
    assert {entry.name: entry.node_ids for entry in pools} == {"broker": (1,), "controller": (0,)}


def test_pods_are_named_and_labelled_as_strimzi_does() -> None:
    stateful_set = objects_of(pool())["StatefulSet"]
    assert stateful_set["metadata"]["name"] == "bus-node"
    assert stateful_set["spec"]["ordinals"] == {"start": 0}
    labels = stateful_set["spec"]["template"]["metadata"]["labels"]
    assert {
        "strimzi.io/cluster": "bus",
        "strimzi.io/kind": "Kafka",
        "strimzi.io/name": "bus-kafka",
        "strimzi.io/pool-name": "node",
        "strimzi.io/broker-role": "true",
        "strimzi.io/controller-role": "true",
    }.items() <= labels.items()
    assert [claim["metadata"]["name"] for claim in stateful_set["spec"]["volumeClaimTemplates"]] == ["data-0"]


def test_pods_pass_restricted_pod_security() -> None:
    pod = objects_of(pool())["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_other_configuration_means_other_pods() -> None:
    def annotations(cluster: dict[str, Any]) -> dict[str, str]:
        return dict(objects_of(pool(), cluster)["StatefulSet"]["spec"]["template"]["metadata"]["annotations"])

    assert annotations(kafka()) == annotations(kafka())
    assert annotations(kafka()) != annotations(kafka(config={"log.retention.hours": 24}))


def test_a_pools_template_is_used() -> None:
    affinity: dict[str, Any] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []}}
    template = {"pod": {"affinity": affinity, "metadata": {"labels": {"team": "data"}}}}
    stateful_set = objects_of(pool(template=template))["StatefulSet"]
    assert stateful_set["spec"]["template"]["spec"]["affinity"] == affinity
    assert stateful_set["spec"]["template"]["metadata"]["labels"]["team"] == "data"


def test_volumes_are_deleted_only_when_all_say_so() -> None:
    def policy(*flags: bool) -> str:
        volumes = [
            {"id": number, "type": "persistent-claim", "size": "1Gi", "deleteClaim": flag}
            for number, flag in enumerate(flags)
        ]
        stateful_set = objects_of(pool(storage={"type": "jbod", "volumes": volumes}))["StatefulSet"]
        return str(stateful_set["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"])

    assert policy(True) == "Delete"
    assert policy(True, False) == "Retain"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"jvmOptions": {"-Xms": "1024m", "-Xmx": "1024m"}}, "-Xms1024m -Xmx1024m"),
        ({"resources": {"limits": {"memory": "1Gi"}}}, "-Xms512m -Xmx512m"),
        ({"resources": {"limits": {"memory": "64Gi"}}}, "-Xms5120m -Xmx5120m"),
        ({}, "-Xms128m -Xmx384m"),
    ],
)
def test_the_heap(spec: dict[str, Any], expected: str) -> None:
    assert heap_options(kafka(), Pool(pool(**spec), (0,))) == expected


def test_options_of_the_virtual_machine() -> None:
    options = {
        "-XX": {"UseG1GC": "true", "MaxGCPauseMillis": "20"},
        "javaSystemProperties": [{"name": "a", "value": "b"}],
    }
    text = jvm_options(kafka(), Pool(pool(jvmOptions=options), (0,)))
    assert text == "-XX:MaxGCPauseMillis=20 -XX:+UseG1GC -Da=b"


def test_services_offer_the_ports_of_the_listeners() -> None:
    services = {
        manifest["metadata"]["name"]: manifest["spec"]
        for manifest in cluster_objects(kafka(), NAMES, network_policies=True)
        if manifest["kind"] == "Service"
    }
    assert [port["port"] for port in services["bus-kafka-bootstrap"]["ports"]] == [9091, 9093]
    assert services["bus-kafka-bootstrap"]["selector"]["strimzi.io/broker-role"] == "true"
    assert services["bus-kafka-brokers"]["clusterIP"] == "None"
    assert services["bus-kafka-brokers"]["publishNotReadyAddresses"] is True


def test_a_listener_without_peers_is_open_and_one_with_peers_is_not() -> None:
    peers = [{"podSelector": {"matchLabels": {"app": "analytics"}}}]
    listeners = [SCRAM_LISTENER, {**SCRAM_LISTENER, "name": "inner", "port": 9094, "networkPolicyPeers": peers}]
    rules = network_policy(kafka(listeners=listeners), NAMES)["spec"]["ingress"]
    by_port = {rule["ports"][0]["port"]: rule.get("from") for rule in rules}
    assert by_port[9093] is None
    assert by_port[9094] == peers
    operator = {"podSelector": {"matchLabels": {"strimzi.io/kind": "cluster-operator"}}, "namespaceSelector": {}}
    assert operator in by_port[9091]


def test_what_cannot_be_is_said_in_one_go() -> None:
    listener = {**SCRAM_LISTENER, "type": "loadbalancer"}
    resource = kafka(version="4.0.0", listeners=[listener], config={"default.replication.factor": 3})
    mistakes = kafka_mistakes(resource, numbered_pools([pool()]))
    assert [word for word in ("replication.factor", "4.0.0", "loadbalancer") if word in " ".join(mistakes)] == [
        "replication.factor",
        "4.0.0",
        "loadbalancer",
    ]
    single = kafka_mistakes(kafka(config={"default.replication.factor": 3}), numbered_pools([pool()]))
    assert single == [
        "Kafka configuration option 'default.replication.factor' should be set to 1 or less because this cluster "
        "has only 1 Kafka broker(s)"
    ]


@pytest.mark.parametrize("pools", [[], [pool(roles=("broker",))], [pool(roles=("controller",))]])
def test_a_cluster_needs_both_roles(pools: list[dict[str, Any]]) -> None:
    assert len(kafka_mistakes(kafka(), numbered_pools(pools))) == 1


def test_one_controller_and_one_broker_may_be_apart() -> None:
    pools = numbered_pools([pool("controller", roles=("controller",)), pool("broker", roles=("broker",))])
    assert kafka_mistakes(kafka(), pools) == []


def test_a_cluster_becomes_ready_with_what_clients_need(world: World) -> None:
    assert world.condition["type"] == "Ready"
    assert world.condition["status"] == "True"
    status = world.status
    assert status["observedGeneration"] == 1
    assert status["kafkaVersion"] == "4.3.1"
    authority = decoded_text(world.api.get("Secret", "bus-cluster-ca-cert"))["ca.crt"]
    assert status["listeners"] == [
        {
            "name": "tls",
            "addresses": [{"host": "bus-kafka-bootstrap.data.svc", "port": 9093}],
            "bootstrapServers": "bus-kafka-bootstrap.data.svc:9093",
            "certificates": [authority],
        }
    ]
    assert world.api.get("KafkaNodePool", "node")["status"]["nodeIds"] == [0]
    assert world.swept == ["bus"]


def test_a_second_run_writes_nothing_new(world: World) -> None:
    secrets = {key: value["data"] for key, value in world.api.objects.items() if key[0] == "Secret"}
    world.api.statuses.clear()
    world.reconcile()
    assert world.api.statuses == []
    assert {key: value["data"] for key, value in world.api.objects.items() if key[0] == "Secret"} == secrets


def test_while_pods_start_it_is_creating() -> None:
    world = World(kafka(), pool())
    world.reconcile()
    assert world.condition["type"] == "NotReady"
    assert world.condition["reason"] == "Creating"
    assert "observedGeneration" not in world.status


def test_a_lost_pod_is_no_longer_ready(world: World) -> None:
    world.api.get("StatefulSet", "bus-node")["status"]["readyReplicas"] = 0
    world.reconcile()
    assert [condition["type"] for condition in world.status["conditions"]] == ["NotReady"]


def test_a_broker_that_did_not_register_is_not_ready(world: World) -> None:
    world.admin.brokers = []
    world.reconcile()
    assert world.condition["type"] == "NotReady"
    assert "[0]" in world.condition["message"]


def test_an_impossible_cluster_says_so_and_is_observed() -> None:
    world = World(kafka(config={"default.replication.factor": 2}), pool())
    world.reconcile()
    assert world.condition["reason"] == "InvalidResourceException"
    assert "should be set to 1 or less" in world.condition["message"]
    assert world.status["observedGeneration"] == 1
    assert not [key for key in world.api.objects if key[0] == "StatefulSet"]


def test_an_impossible_change_leaves_the_running_cluster_alone(world: World) -> None:
    before = world.api.get("StatefulSet", "bus-node")
    world.api.get("KafkaNodePool", "node")["spec"]["replicas"] = 3
    world.reconcile()
    assert world.condition["reason"] == "InvalidResourceException"
    assert "number of controllers cannot be changed from 1 to 3" in world.condition["message"]
    assert world.api.get("StatefulSet", "bus-node") == before


def test_several_nodes_form_one_quorum() -> None:
    world = World(kafka(), pool(replicas=3))
    world.reconcile()
    assert world.api.get("StatefulSet", "bus-node")["spec"]["replicas"] == 3
    properties = world.api.get("ConfigMap", "bus-node")["data"]["server.properties"]
    voters = next(line for line in properties.splitlines() if line.startswith("controller.quorum.voters"))
    assert [voter.split("@")[0] for voter in voters.split("=", 1)[1].split(",")] == ["0", "1", "2"]
    certificates = world.api.get("Secret", "bus-kafka-brokers")["data"]
    assert {"bus-node-0.crt", "bus-node-1.crt", "bus-node-2.crt"} <= set(certificates)


def test_storage_that_cannot_change_is_an_invalid_resource(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    apply = world.api.apply

    def refuse(manifest: dict[str, Any]) -> dict[str, Any]:
        if manifest["kind"] == "StatefulSet":
            raise KubernetesError(422, "Invalid", "spec: Forbidden")
        return apply(manifest)

    monkeypatch.setattr(world.api, "apply", refuse)
    world.reconcile()
    assert "storage cannot be changed" in world.condition["message"]


def test_missing_rules_for_metrics_are_named() -> None:
    reference = {"configMapKeyRef": {"name": "rules", "key": "metrics.yml"}}
    world = World(kafka(metricsConfig={"type": "jmxPrometheusExporter", "valueFrom": reference}), pool())
    world.reconcile()
    assert "rules" in world.condition["message"]
    world.api.put({"kind": "ConfigMap", "metadata": {"name": "rules"}, "data": {"metrics.yml": "rules: []"}})
    world.reconcile()
    assert world.api.get("ConfigMap", "bus-node")["data"]["metrics.yml"] == "rules: []"


def test_strimzis_reporter_serves_metrics_without_rules() -> None:
    metrics = {"type": "strimziMetricsReporter", "values": {"allowList": ["kafka_server.*", "jvm.*"]}}
    options = properties(["broker"], metricsConfig=metrics, config={"metric.reporters": "my.Reporter"})
    assert options["prometheus.metrics.reporter.listener"] == "http://:9404"
    assert options["prometheus.metrics.reporter.allowlist"] == "kafka_server.*,jvm.*"
    assert options["metric.reporters"].split(",")[0] == "my.Reporter"
    world = World(kafka(metricsConfig=metrics), pool())
    world.reconcile()
    container = world.api.get("StatefulSet", "bus-node")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "tcp-prometheus", "containerPort": 9404, "protocol": "TCP"} in container["ports"]
    assert "metrics.yml" not in world.api.get("ConfigMap", "bus-node")["data"]


def test_an_image_of_ones_own_is_used() -> None:
    stateful_set = objects_of(pool(), kafka(image="registry/kafka:1"))["StatefulSet"]
    assert stateful_set["spec"]["template"]["spec"]["containers"][0]["image"] == "registry/kafka:1"


def test_a_pool_that_is_gone_takes_its_pods_along(world: World) -> None:
    del world.api.objects["KafkaNodePool", "data", "node"]
    world.api.put(pool("other"))
    world.reconcile()
    names = {name for kind, _namespace, name in world.api.objects if kind == "StatefulSet"}
    assert names == {"bus-other"}


def test_a_paused_cluster_is_left_alone(world: World) -> None:
    world.api.get("Kafka", "bus")["metadata"]["annotations"] = {"strimzi.io/pause-reconciliation": "true"}
    world.api.get("KafkaNodePool", "node")["spec"]["replicas"] = 3
    world.reconcile()
    assert world.condition["type"] == "ReconciliationPaused"


def test_node_certificates_name_node_and_services_and_serve_both_ways(world: World) -> None:
    values = decoded_text(world.api.get("Secret", "bus-kafka-brokers"))
    certificate = x509.load_pem_x509_certificate(values["bus-node-0.crt"].encode())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    )
    assert {
        "bus-kafka-bootstrap.data.svc",
        "bus-node-0.bus-kafka-brokers.data.svc",
        "bus-node-0.bus-kafka-brokers.data.svc.cluster.local",
    } <= set(names)
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(uses) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    # Kafka reads the subject from its end: this order gives the super user's name.
    assert certificate.subject.rfc4514_string() == "CN=bus-kafka,O=io.strimzi"


def test_the_authoritys_store_opens_with_its_password(world: World) -> None:
    import base64

    secret = world.api.get("Secret", "bus-cluster-ca-cert")
    password = decoded_text(secret)["ca.password"]
    store = pkcs12.load_pkcs12(base64.b64decode(secret["data"]["ca.p12"]), password.encode())
    assert len(store.additional_certs) == 1


def test_a_new_authority_renews_every_certificate(world: World) -> None:
    secrets = [world.api.get("Secret", name) for name in ("bus-cluster-ca-cert", "bus-cluster-ca")]
    nodes = world.api.get("Secret", "bus-kafka-brokers")
    authority = authority_of(*secrets)
    assert authority is not None
    assert node_certificates(kafka(), NAMES, authority, ["bus-node-0"], nodes) is None
    before = world.api.get("StatefulSet", "bus-node")["spec"]["template"]["metadata"]["annotations"]
    del world.api.objects["Secret", "data", "bus-cluster-ca"]
    world.reconcile()
    after = world.api.get("StatefulSet", "bus-node")["spec"]["template"]["metadata"]["annotations"]
    assert decoded_text(world.api.get("Secret", "bus-kafka-brokers")) != decoded_text(nodes)
    assert before["strimzi.io/server-cert-hash"] != after["strimzi.io/server-cert-hash"]


def test_an_authority_of_ones_own_must_be_there() -> None:
    resource = kafka()
    resource["spec"]["clusterCa"] = {"generateCertificateAuthority": False}
    world = World(resource, pool())
    world.reconcile()
    assert "bus-cluster-ca-cert and bus-cluster-ca" in world.condition["message"]


def test_pods_that_fail_say_why() -> None:
    failed = {
        "metadata": {"name": "bus-node-0"},
        "status": {
            "containerStatuses": [
                {
                    "ready": False,
                    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                    "lastState": {"terminated": {"exitCode": 1, "message": "the volume belongs to another cluster\n"}},
                }
            ]
        },
    }
    unscheduled = {
        "metadata": {"name": "bus-node-0"},
        "status": {"conditions": [{"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}]},
    }
    starting = {
        "metadata": {"name": "x"},
        "status": {"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]},
    }
    assert "belongs to another cluster" in str(pods_problem([failed]))
    assert "Insufficient memory" in str(pods_problem([unscheduled]))
    assert pods_problem([starting]) is None
    failed["metadata"] = {"name": "bus-node-0", "deletionTimestamp": "now"}
    assert pods_problem([failed]) is None


def test_an_unchanged_condition_keeps_its_time() -> None:
    condition = {"type": "Ready", "status": "True"}
    old = {"status": {"conditions": [{**condition, "lastTransitionTime": "then"}]}}
    assert status_change(old, {"conditions": [condition]}) is None
    changed = status_change(old, {"conditions": [{"type": "NotReady", "status": "True"}]})
    assert changed is not None
    assert changed["conditions"][0]["lastTransitionTime"] != "then"
