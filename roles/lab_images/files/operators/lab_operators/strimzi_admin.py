# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kafka's admin API, as far as topics and users need it, over the brokers' replication port."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

import confluent_kafka.admin
from confluent_kafka import KafkaError, KafkaException, TopicCollection

from lab_operators.strimzi_acls import Rule
from lab_operators.strimzi_topics import ExistingTopic

#: The library annotates less than it offers.
admin: Any = confluent_kafka.admin

REQUEST_TIMEOUT = 10
#: Whether a cluster answers is asked again and again.
LOOK_TIMEOUT = 4
SCRAM_ITERATIONS = 4096
#: Kafka's word for the whole cluster is the library's word for a broker.
RESOURCE_TYPES = {
    "TOPIC": admin.ResourceType.TOPIC,
    "GROUP": admin.ResourceType.GROUP,
    "CLUSTER": admin.ResourceType.BROKER,
    "TRANSACTIONAL_ID": admin.ResourceType.TRANSACTIONAL_ID,
}


class KafkaUnreachableError(Exception):
    """No answer; worth another try."""


class KafkaRefusedError(Exception):
    """Kafka understood and said no."""


class KafkaAdmin:
    """One cluster's admin API. Safe to share between threads."""

    def __init__(self, bootstrap: str, authority: str, certificate: str, key: str) -> None:
        self._client = admin.AdminClient(
            {
                "bootstrap.servers": bootstrap,
                "security.protocol": "ssl",
                "ssl.ca.pem": authority,
                "ssl.certificate.pem": certificate,
                "ssl.key.pem": key,
                "socket.timeout.ms": REQUEST_TIMEOUT * 1000,
                "reconnect.backoff.max.ms": 1000,
                "client.id": "cluster-operator",
                # Every unanswered try would be a line; what matters is reported in the resources.
                "log_level": 0,
            },
            logger=logging.getLogger("librdkafka"),
        )

    def broker_ids(self) -> list[int]:
        """Which brokers answer for the cluster."""
        try:
            return sorted(self._client.list_topics(timeout=LOOK_TIMEOUT).brokers)
        except KafkaException as error:
            raise KafkaUnreachableError(str(error)) from error

    # --- topics

    def topic(self, name: str) -> ExistingTopic | None:
        future = self._client.describe_topics(TopicCollection([name]), request_timeout=REQUEST_TIMEOUT)[name]
        description = _unless(future, KafkaError.UNKNOWN_TOPIC_OR_PART)
        if description is None:
            return None
        resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name)
        entries = _result(self._client.describe_configs([resource], request_timeout=REQUEST_TIMEOUT)[resource])
        own = admin.ConfigSource.DYNAMIC_TOPIC_CONFIG.value
        config = {entry.name: entry.value for entry in entries.values() if entry.source == own}
        replicas = len(description.partitions[0].replicas)
        return ExistingTopic(str(description.topic_id), len(description.partitions), replicas, config)

    def create_topic(self, name: str, partitions: int | None, replicas: int | None, config: dict[str, str]) -> None:
        topic = admin.NewTopic(name, partitions or -1, replicas or -1, config=config)
        _unless(
            self._client.create_topics([topic], request_timeout=REQUEST_TIMEOUT)[name], KafkaError.TOPIC_ALREADY_EXISTS
        )

    def grow_topic(self, name: str, partitions: int) -> None:
        _result(
            self._client.create_partitions([admin.NewPartitions(name, partitions)], request_timeout=REQUEST_TIMEOUT)[
                name
            ]
        )

    def change_topic_config(self, name: str, set_config: dict[str, str], unset_config: Iterable[str]) -> None:
        entries = [
            admin.ConfigEntry(key, value, incremental_operation=admin.AlterConfigOpType.SET)
            for key, value in set_config.items()
        ]
        entries += [
            admin.ConfigEntry(key, None, incremental_operation=admin.AlterConfigOpType.DELETE) for key in unset_config
        ]
        resource = admin.ConfigResource(admin.ConfigResource.Type.TOPIC, name, incremental_configs=entries)
        _result(self._client.incremental_alter_configs([resource], request_timeout=REQUEST_TIMEOUT)[resource])

    def delete_topic(self, name: str) -> None:
        future = self._client.delete_topics([name], request_timeout=REQUEST_TIMEOUT)[name]
        _unless(future, KafkaError.UNKNOWN_TOPIC_OR_PART)

    # --- users

    def scram_users(self) -> set[str]:
        future: Any = self._client.describe_user_scram_credentials(request_timeout=REQUEST_TIMEOUT)
        return set(_result(future))

    def set_scram_password(self, user: str, password: str) -> None:
        info = admin.ScramCredentialInfo(admin.ScramMechanism.SCRAM_SHA_512, SCRAM_ITERATIONS)
        change = admin.UserScramCredentialUpsertion(user, info, password.encode())
        _result(self._client.alter_user_scram_credentials([change], request_timeout=REQUEST_TIMEOUT)[user])

    def remove_scram_password(self, user: str) -> None:
        change = admin.UserScramCredentialDeletion(user, admin.ScramMechanism.SCRAM_SHA_512)
        future = self._client.alter_user_scram_credentials([change], request_timeout=REQUEST_TIMEOUT)[user]
        _unless(future, KafkaError.RESOURCE_NOT_FOUND)

    def rules(self, principal: str | None = None) -> list[Rule]:
        everything = admin.AclBindingFilter(
            admin.ResourceType.ANY,
            None,
            admin.ResourcePatternType.ANY,
            principal,
            None,
            admin.AclOperation.ANY,
            admin.AclPermissionType.ANY,
        )
        return [
            _rule(binding)
            for binding in _result(self._client.describe_acls(everything, request_timeout=REQUEST_TIMEOUT))
        ]

    def add_rules(self, rules: list[Rule]) -> None:
        if rules:
            for future in self._client.create_acls(
                [_binding(rule) for rule in rules], request_timeout=REQUEST_TIMEOUT
            ).values():
                _result(future)

    def remove_rules(self, rules: list[Rule]) -> None:
        if rules:
            filters = [_filter(rule) for rule in rules]
            for future in self._client.delete_acls(filters, request_timeout=REQUEST_TIMEOUT).values():
                _result(future)


def _result(future: Future[Any]) -> Any:
    try:
        return future.result(REQUEST_TIMEOUT + 5)
    except TimeoutError as error:
        raise KafkaUnreachableError("no answer") from error
    except KafkaException as error:
        reason: KafkaError = error.args[0]
        if reason.retriable() or reason.code() < 0:
            raise KafkaUnreachableError(reason.str()) from error
        raise KafkaRefusedError(f"{reason.name()}: {reason.str()}") from error


def _unless(future: Future[Any], code: int) -> Any:
    """The result, or None when Kafka answers with this code."""
    try:
        return _result(future)
    except (KafkaRefusedError, KafkaUnreachableError) as error:
        cause = error.__cause__
        if isinstance(cause, KafkaException) and cause.args[0].code() == code:
            return None
        raise


def _binding(rule: Rule) -> Any:
    return admin.AclBinding(
        RESOURCE_TYPES[rule.resource_type],
        rule.name,
        admin.ResourcePatternType[rule.pattern_type],
        rule.principal,
        rule.host,
        admin.AclOperation[rule.operation],
        admin.AclPermissionType[rule.permission],
    )


def _filter(rule: Rule) -> Any:
    binding = _binding(rule)
    return admin.AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _rule(binding: Any) -> Rule:
    kinds = {kind: name for name, kind in RESOURCE_TYPES.items()}
    return Rule(
        resource_type=kinds.get(binding.restype, binding.restype.name),
        name=binding.name,
        pattern_type=binding.resource_pattern_type.name,
        principal=binding.principal,
        host=binding.host,
        operation=binding.operation.name,
        permission=binding.permission_type.name,
    )
