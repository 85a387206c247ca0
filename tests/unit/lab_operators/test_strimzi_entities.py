# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-in for Strimzi's entity operator: topics, users, access rules."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from kubernetes_double import KubernetesDouble
from lab_operators.secret_data import encoded
from lab_operators.strimzi_acls import Rule, acl_mistakes, difference, orphans, user_rules
from lab_operators.strimzi_certificates import decoded_text, new_authority_secrets
from lab_operators.strimzi_controller import Connections, StrimziSettings
from lab_operators.strimzi_entities import TopicController, UserController
from lab_operators.strimzi_topics import TOPIC_FINALIZER, ExistingTopic, topic_plan
from strimzi_resources import NAMES, KafkaDouble, kafka, topic, user

READ_EVENTS = {"resource": {"type": "topic", "name": "events"}, "operations": ["Read", "Describe"]}
READ_GROUPS = {"resource": {"type": "group", "name": "analytics", "patternType": "prefix"}, "operations": ["Read"]}


class World:
    """A cluster that is ready, and the operator's part for topics and users."""

    def __init__(self, *resources: dict[str, Any], cluster: dict[str, Any] | None = None) -> None:
        cluster = cluster or kafka()
        cluster.setdefault("status", {"operatorLastSuccessfulVersion": "1.2.0", "clusterId": "id"})
        operator = {"kind": "Secret", "metadata": {"name": "bus-cluster-operator-certs"}}
        operator["data"] = encoded({"cluster-operator.crt": "c", "cluster-operator.key": "k"})  # type: ignore[assignment]
        authorities = [
            secret for kind in ("cluster", "clients") for secret in new_authority_secrets(cluster, NAMES, kind, 0)
        ]
        self.cluster = cluster
        self.api = KubernetesDouble(cluster, operator, *authorities, *resources)
        self.admin = KafkaDouble()
        parts: Any = (
            self.api,
            StrimziSettings(image="kafka:1"),
            Connections(self.api, lambda *_: self.admin),  # type: ignore[arg-type, return-value]
        )
        self.topics, self.users = TopicController(*parts), UserController(*parts)

    def topic(self) -> dict[str, Any]:
        self.topics.reconcile("data", "events")
        return self.api.get("KafkaTopic", "events").get("status") or {}

    def user(self) -> dict[str, Any]:
        self.users.reconcile("data", "analytics")
        return self.api.get("KafkaUser", "analytics").get("status") or {}

    def sweep(self) -> None:
        self.users.sweep(self.cluster, self.admin)  # type: ignore[arg-type]


def test_a_topic_is_created_as_described() -> None:
    world = World(topic(config={"retention.ms": 1000, "cleanup.policy": ["compact", "delete"]}))
    status = world.topic()
    config = {"retention.ms": "1000", "cleanup.policy": "compact,delete"}
    assert world.admin.topics["events"] == ExistingTopic("id", 3, 1, config)
    assert status["conditions"][0]["status"] == "True"
    assert status["topicName"] == "events"
    assert status["topicId"] == "id"
    assert status["observedGeneration"] == 1
    assert world.api.get("KafkaTopic", "events")["metadata"]["finalizers"] == [TOPIC_FINALIZER]


def test_a_topic_that_is_as_it_should_be_is_left_alone() -> None:
    world = World(topic(config={"retention.ms": 1000}))
    world.topic()
    world.admin.calls.clear()
    world.api.statuses.clear()
    world.topic()
    assert world.admin.calls == []
    assert world.api.statuses == []


def test_partitions_grow_and_settings_follow() -> None:
    world = World(topic(config={"retention.ms": 1000}))
    world.topic()
    world.api.get("KafkaTopic", "events")["spec"] |= {"partitions": 5, "config": {"max.message.bytes": 10}}
    assert world.topic()["conditions"][0]["status"] == "True"
    assert world.admin.topics["events"] == ExistingTopic("id", 5, 1, {"max.message.bytes": "10"})


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"partitions": 1}, "Decreasing partitions"),
        ({"replicas": 3}, "Replication factor change"),
        ({"topicName": "other"}, "Changing spec.topicName"),
    ],
)
def test_what_a_topic_cannot_become(spec: dict[str, Any], words: str) -> None:
    world = World(topic())
    world.topic()
    world.api.get("KafkaTopic", "events")["spec"] |= spec
    condition = world.topic()["conditions"][0]
    assert condition["type"] == "Ready"
    assert condition["status"] == "False"
    assert words in condition["message"]
    assert set(world.admin.topics) == {"events"}


def test_settings_are_converged_even_when_partitions_are_refused() -> None:
    plan = topic_plan(topic(partitions=1, config={"a": 1}), ExistingTopic("id", 3, 1, {"b": "2"}))
    assert plan.refusal is not None
    assert plan.set_config == {"a": "1"}
    assert plan.unset_config == ["b"]


def test_kafkas_refusal_is_shown() -> None:
    world = World(topic())
    world.admin.refusal = "INVALID_REPLICATION_FACTOR: too many"
    condition = world.topic()["conditions"][0]
    assert condition["reason"] == "KafkaError"
    assert "too many" in condition["message"]


def test_a_deleted_topic_is_deleted_in_kafka() -> None:
    world = World(topic())
    world.topic()
    world.api.get("KafkaTopic", "events")["metadata"]["deletionTimestamp"] = "now"
    world.topic()
    assert world.admin.topics == {}
    assert world.api.get("KafkaTopic", "events")["metadata"]["finalizers"] == []


def test_a_topic_that_is_not_managed_stays_in_kafka() -> None:
    world = World(topic())
    world.topic()
    metadata = world.api.get("KafkaTopic", "events")["metadata"]
    metadata["annotations"] = {"strimzi.io/managed": "false"}
    assert world.topic()["conditions"][0]["type"] == "Unmanaged"
    metadata["deletionTimestamp"] = "now"
    world.topic()
    assert set(world.admin.topics) == {"events"}
    assert metadata["finalizers"] == []


def test_without_a_topic_operator_nobody_looks_at_topics() -> None:
    cluster = kafka()
    cluster["spec"]["entityOperator"] = {"userOperator": {}}
    world = World(topic(), cluster=cluster)
    assert world.topic() == {}
    assert world.admin.topics == {}


def test_a_topic_waits_for_its_cluster() -> None:
    world = World(topic(), cluster={**kafka(), "status": {}})
    assert world.topic() == {}
    assert world.admin.calls == []


def test_a_user_gets_a_password_that_kafka_knows() -> None:
    world = World(user(acls=[READ_EVENTS]))
    status = world.user()
    secret = world.api.get("Secret", "analytics")
    values = decoded_text(secret)
    assert world.admin.passwords == {"analytics": values["password"]}
    assert values["sasl.jaas.config"] == (
        "org.apache.kafka.common.security.scram.ScramLoginModule required "
        f'username="analytics" password="{values["password"]}";'
    )
    assert secret["metadata"]["labels"]["strimzi.io/kind"] == "KafkaUser"
    assert status["conditions"] == [
        {"type": "Ready", "status": "True", "lastTransitionTime": status["conditions"][0]["lastTransitionTime"]}
    ]
    assert status["username"] == "analytics"
    assert status["secret"] == "analytics"


def test_a_user_that_is_as_it_should_be_is_left_alone() -> None:
    world = World(user(acls=[READ_EVENTS]))
    world.user()
    before = world.api.get("Secret", "analytics")["data"]
    world.admin.calls.clear()
    world.api.statuses.clear()
    world.user()
    assert world.admin.calls == []
    assert world.api.statuses == []
    assert world.api.get("Secret", "analytics")["data"] == before


def test_a_password_that_kafka_lost_is_set_again() -> None:
    world = World(user())
    world.user()
    password = world.admin.passwords.pop("analytics")
    world.user()
    assert world.admin.passwords == {"analytics": password}


def test_a_chosen_password_is_used() -> None:
    chosen = {"kind": "Secret", "metadata": {"name": "chosen"}, "data": encoded({"key": "mine"})}
    resource = user()
    resource["spec"]["authentication"]["password"] = {"valueFrom": {"secretKeyRef": {"name": "chosen", "key": "key"}}}
    world = World(resource, chosen)
    world.user()
    assert world.admin.passwords == {"analytics": "mine"}


def test_a_chosen_password_that_is_missing_is_named() -> None:
    resource = user()
    resource["spec"]["authentication"]["password"] = {"valueFrom": {"secretKeyRef": {"name": "chosen", "key": "key"}}}
    condition = World(resource).user()["conditions"][0]
    assert condition["type"] == "NotReady"
    assert condition["reason"] == "InvalidResourceException"
    assert "chosen" in condition["message"]


def test_a_tls_user_gets_a_certificate_of_the_clients_authority() -> None:
    world = World(user("tls", acls=[READ_EVENTS]))
    status = world.user()
    values = decoded_text(world.api.get("Secret", "analytics"))
    assert set(world.api.get("Secret", "analytics")["data"]) == {
        "ca.crt",
        "user.crt",
        "user.key",
        "user.p12",
        "user.password",
    }
    certificate = x509.load_pem_x509_certificate(values["user.crt"].encode())
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(values["ca.crt"].encode()))
    assert values["ca.crt"] == decoded_text(world.api.get("Secret", "bus-clients-ca-cert"))["ca.crt"]
    assert status["username"] == "CN=analytics"
    assert {rule.principal for rule in world.admin.existing_rules} == {"User:CN=analytics"}


def test_rules_without_authorization_in_the_cluster_are_refused() -> None:
    world = World(user(acls=[READ_EVENTS]), cluster=kafka(authorization=None))
    condition = world.user()["conditions"][0]
    assert condition["reason"] == "InvalidResourceException"
    assert "Simple authorization" in condition["message"]


def test_rules_follow_the_resource() -> None:
    world = World(user(acls=[READ_EVENTS, READ_GROUPS]))
    world.user()
    world.api.get("KafkaUser", "analytics")["spec"]["authorization"]["acls"] = [READ_GROUPS]
    world.user()
    assert world.admin.existing_rules == user_rules(user(acls=[READ_GROUPS]))


def test_quotas_are_not_passed_over_in_silence() -> None:
    conditions = World(user(quotas={"producerByteRate": 1})).user()["conditions"]
    assert [condition["type"] for condition in conditions] == ["Warning", "Ready"]


def test_what_gone_users_leave_is_swept() -> None:
    world = World(user(acls=[READ_EVENTS]))
    world.user()
    stray = Rule("TOPIC", "events", "LITERAL", "User:gone", "*", "READ", "ALLOW")
    world.admin.existing_rules.add(stray)
    world.admin.passwords["gone"] = "x"
    world.sweep()
    assert set(world.admin.passwords) == {"analytics"}
    assert world.admin.existing_rules == user_rules(user(acls=[READ_EVENTS]))


def test_a_user_that_changes_to_certificates_loses_its_password() -> None:
    world = World(user())
    world.user()
    world.api.get("KafkaUser", "analytics")["spec"]["authentication"]["type"] = "tls-external"
    status = world.user()
    world.sweep()
    assert world.admin.passwords == {}
    assert ("Secret", "data", "analytics") not in world.api.objects
    assert status["username"] == "CN=analytics"


def test_rules_are_one_binding_per_operation() -> None:
    cluster_wide = {
        "resource": {"type": "cluster"},
        "operations": ["IdempotentWrite"],
        "type": "deny",
        "host": "10.0.0.1",
    }
    assert user_rules(user(acls=[READ_EVENTS, READ_GROUPS, cluster_wide])) == {
        Rule("TOPIC", "events", "LITERAL", "User:analytics", "*", "READ", "ALLOW"),
        Rule("TOPIC", "events", "LITERAL", "User:analytics", "*", "DESCRIBE", "ALLOW"),
        Rule("GROUP", "analytics", "PREFIXED", "User:analytics", "*", "READ", "ALLOW"),
        Rule("CLUSTER", "kafka-cluster", "LITERAL", "User:analytics", "10.0.0.1", "IDEMPOTENT_WRITE", "DENY"),
    }


def test_rules_that_kafka_would_not_understand_are_named() -> None:
    mistakes = acl_mistakes(user(acls=[{"resource": {"type": "topic"}, "operations": ["Red"]}]))
    assert "resource.name is missing" in mistakes[0]
    assert "Red" in mistakes[1]


def test_difference_and_orphans() -> None:
    one, two = (Rule("TOPIC", name, "LITERAL", f"User:{name}", "*", "READ", "ALLOW") for name in ("one", "two"))
    assert difference({one}, [two]) == ([one], [two])
    assert orphans([one, two], {"User:one"}) == [two]
