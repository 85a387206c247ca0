# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom resources of Strimzi for the tests, and a Kafka that remembers what it was told."""

from __future__ import annotations

from typing import Any

from lab_operators.strimzi_acls import Rule
from lab_operators.strimzi_admin import KafkaRefusedError, KafkaUnreachableError
from lab_operators.strimzi_names import API_VERSION, ClusterNames
from lab_operators.strimzi_topics import ExistingTopic

Manifest = dict[str, Any]

NAMES = ClusterNames("bus", "data")
SCRAM_LISTENER = {
    "name": "tls",
    "port": 9093,
    "type": "internal",
    "tls": True,
    "authentication": {"type": "scram-sha-512"},
}


def _resource(kind: str, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": API_VERSION,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "data",
            "uid": f"uid-{name}",
            "generation": 1,
            "labels": {"strimzi.io/cluster": "bus"},
        },
        "spec": spec,
    }


def kafka(**settings: Any) -> Manifest:
    spec = {"listeners": [SCRAM_LISTENER], "authorization": {"type": "simple"}, **settings}
    return _resource("Kafka", "bus", {"kafka": spec, "entityOperator": {"topicOperator": {}, "userOperator": {}}})


def pool(name: str = "node", roles: tuple[str, ...] = ("controller", "broker"), **spec: Any) -> Manifest:
    volume = {"id": 0, "type": "persistent-claim", "size": "1Gi", "kraftMetadata": "shared", "deleteClaim": False}
    storage = {"type": "jbod", "volumes": [volume]}
    return _resource("KafkaNodePool", name, {"replicas": 1, "roles": list(roles), "storage": storage, **spec})


def topic(**spec: Any) -> Manifest:
    return _resource("KafkaTopic", "events", {"partitions": 3, "replicas": 1, **spec})


def user(kind: str | None = "scram-sha-512", acls: list[Manifest] | None = None, **spec: Any) -> Manifest:
    authentication = {"authentication": {"type": kind}} if kind else {}
    authorization = {"authorization": {"type": "simple", "acls": acls}} if acls is not None else {}
    return _resource("KafkaUser", "analytics", {**authentication, **authorization, **spec})


class KafkaDouble:
    """The admin API of a cluster."""

    def __init__(self) -> None:
        self.brokers = [0]
        self.topics: dict[str, ExistingTopic] = {}
        self.passwords: dict[str, str] = {}
        self.existing_rules: set[Rule] = set()
        self.calls: list[str] = []
        self.reachable = True
        self.refusal: str | None = None

    def broker_ids(self) -> list[int]:
        self._check("broker_ids", noted=False)
        return self.brokers

    def topic(self, name: str) -> ExistingTopic | None:
        self._check("topic", noted=False)
        return self.topics.get(name)

    def create_topic(self, name: str, partitions: int | None, replicas: int | None, config: dict[str, str]) -> None:
        self._check("create_topic", changing=True)
        self.topics[name] = ExistingTopic("id", partitions or 1, replicas or 1, config)

    def grow_topic(self, name: str, partitions: int) -> None:
        self._check("grow_topic", changing=True)
        old = self.topics[name]
        self.topics[name] = ExistingTopic(old.topic_id, partitions, old.replicas, old.config)

    def change_topic_config(self, name: str, set_config: dict[str, str], unset_config: list[str]) -> None:
        self._check("change_topic_config", changing=True)
        old = self.topics[name]
        config = {key: value for key, value in {**old.config, **set_config}.items() if key not in unset_config}
        self.topics[name] = ExistingTopic(old.topic_id, old.partitions, old.replicas, config)

    def delete_topic(self, name: str) -> None:
        self._check("delete_topic", changing=True)
        self.topics.pop(name, None)

    def scram_users(self) -> set[str]:
        self._check("scram_users", noted=False)
        return set(self.passwords)

    def set_scram_password(self, name: str, password: str) -> None:
        self._check("set_scram_password", changing=True)
        self.passwords[name] = password

    def remove_scram_password(self, name: str) -> None:
        self._check("remove_scram_password", changing=True)
        self.passwords.pop(name, None)

    def rules(self, principal: str | None = None) -> list[Rule]:
        self._check("rules", noted=False)
        return [rule for rule in self.existing_rules if principal in (None, rule.principal)]

    def add_rules(self, rules: list[Rule]) -> None:
        if rules:
            self._check("add_rules", changing=True)
            self.existing_rules |= set(rules)

    def remove_rules(self, rules: list[Rule]) -> None:
        if rules:
            self._check("remove_rules", changing=True)
            self.existing_rules -= set(rules)

    def _check(self, call: str, *, changing: bool = False, noted: bool = True) -> None:
        if not self.reachable:
            raise KafkaUnreachableError("no broker")
        if changing and self.refusal:
            raise KafkaRefusedError(self.refusal)
        if noted:
            self.calls.append(call)
