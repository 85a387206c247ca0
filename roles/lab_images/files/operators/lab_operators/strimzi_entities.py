# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Topics and users: the part of Strimzi's entity operator. May be called at any time, any number of times."""

from __future__ import annotations

import logging
from typing import Any

from lab_operators.kubernetes_api import SECRETS, KubernetesApi, ResourceKind
from lab_operators.reconciler import GONE, Again
from lab_operators.secret_data import encoded, new_password
from lab_operators.strimzi_acls import acl_mistakes, difference, orphans, user_name, user_rules
from lab_operators.strimzi_admin import KafkaAdmin, KafkaRefusedError, KafkaUnreachableError
from lab_operators.strimzi_certificates import authority_of, decoded_text, fingerprint, user_certificate_values
from lab_operators.strimzi_controller import KAFKAS, TOPICS, USERS, Connections, StrimziSettings
from lab_operators.strimzi_names import CLUSTER_LABEL, ClusterNames, is_paused, owner_reference
from lab_operators.strimzi_status import (
    InvalidResourceError,
    not_ready_condition,
    paused_condition,
    ready_condition,
    status_change,
    unready_condition,
    warning_condition,
)
from lab_operators.strimzi_topics import TOPIC_FINALIZER, is_managed, topic_name, topic_plan

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]

SETTLED = Again(60)
SOON = Again(1)


class _EntityController:
    """What topics and users have in common: a cluster by label, whose operator part must be on."""

    kind: ResourceKind
    operator_part: str

    def __init__(self, api: KubernetesApi, settings: StrimziSettings, connections: Connections) -> None:
        self._api = api
        self._settings = settings
        self._connections = connections

    def _kafka_of(self, resource: Manifest) -> Manifest | None:
        """The cluster that takes care of the resource; None when nobody does, as with Strimzi without an entity operator."""
        cluster = (resource["metadata"].get("labels") or {}).get(CLUSTER_LABEL)
        kafka = self._api.read(KAFKAS, resource["metadata"]["namespace"], cluster) if cluster else None
        if kafka and self.operator_part in (kafka["spec"].get("entityOperator") or {}):
            return kafka
        return None

    def _names(self, kafka: Manifest) -> ClusterNames:
        return ClusterNames(kafka["metadata"]["name"], kafka["metadata"]["namespace"], self._settings.domain)

    def _report(self, resource: Manifest, status: Manifest) -> None:
        change = status_change(resource, status)
        if change:
            self._api.patch_status(self.kind, resource["metadata"]["namespace"], resource["metadata"]["name"], change)


class TopicController(_EntityController):
    """KafkaTopic."""

    kind = TOPICS
    operator_part = "topicOperator"

    def reconcile(self, namespace: str, name: str) -> Again | None:
        topic = self._api.read(TOPICS, namespace, name)
        if topic is None:
            return GONE
        kafka = self._kafka_of(topic)
        if kafka is None:
            return SETTLED
        observed = {"observedGeneration": topic["metadata"]["generation"]}
        if is_paused(topic):
            self._report(topic, {"conditions": [paused_condition()], **observed})
            return SETTLED
        try:
            if topic["metadata"].get("deletionTimestamp"):
                return self._delete(topic, kafka)
            if not _is_ready(kafka):
                return SOON
            if not is_managed(topic):
                self._report(topic, {"conditions": [{"type": "Unmanaged", "status": "True"}], **observed})
                return SETTLED
            self._set_finalizer(topic, wanted=self._settings.finalizers)
            return self._converge(topic, self._connections.admin(self._names(kafka)), observed)
        except KafkaUnreachableError as error:
            logger.info("topic %s/%s: %s", namespace, name, error)
            return SOON
        except KafkaRefusedError as error:
            self._report(topic, {"conditions": [unready_condition("KafkaError", str(error))], **observed})
            return SETTLED

    def _converge(self, topic: Manifest, admin: KafkaAdmin, observed: Manifest) -> Again:
        name = topic_name(topic)
        existing = admin.topic(name)
        plan = topic_plan(topic, existing)
        if plan.create:
            admin.create_topic(name, plan.partitions, topic["spec"].get("replicas"), plan.set_config)
            logger.info("created topic %s", name)
            existing = admin.topic(name)
            if existing is None:
                return SOON
        else:
            if plan.partitions is not None:
                admin.grow_topic(name, plan.partitions)
            if plan.set_config or plan.unset_config:
                admin.change_topic_config(name, plan.set_config, plan.unset_config)
        condition = unready_condition(*plan.refusal) if plan.refusal else ready_condition()
        status: Manifest = {"conditions": [condition], **observed}
        if existing and not plan.refusal:
            status |= {"topicName": name, "topicId": existing.topic_id}
        self._report(topic, status)
        return SETTLED

    def _delete(self, topic: Manifest, kafka: Manifest) -> Again | None:
        if TOPIC_FINALIZER not in (topic["metadata"].get("finalizers") or []):
            return GONE
        if is_managed(topic):
            self._connections.admin(self._names(kafka)).delete_topic(topic_name(topic))
            logger.info("deleted topic %s", topic_name(topic))
        self._set_finalizer(topic, wanted=False)
        return GONE

    def _set_finalizer(self, topic: Manifest, *, wanted: bool) -> None:
        metadata = topic["metadata"]
        finalizers = list(metadata.get("finalizers") or [])
        if wanted == (TOPIC_FINALIZER in finalizers):
            return
        others = [entry for entry in finalizers if entry != TOPIC_FINALIZER]
        change = {
            "metadata": {
                "finalizers": [*others, TOPIC_FINALIZER] if wanted else others,
                # Fails when someone else changed the list meanwhile; the next run sees the new one.
                "resourceVersion": metadata["resourceVersion"],
            }
        }
        self._api.patch(TOPICS, metadata["namespace"], metadata["name"], change)


class UserController(_EntityController):
    """KafkaUser: Secret, password in Kafka, access rules."""

    kind = USERS
    operator_part = "userOperator"

    def __init__(self, api: KubernetesApi, settings: StrimziSettings, connections: Connections) -> None:
        super().__init__(api, settings, connections)
        # Kafka does not tell passwords: which one it has is known only from having set it.
        self._passwords: dict[tuple[str, str], str] = {}

    def reconcile(self, namespace: str, name: str) -> Again | None:
        user = self._api.read(USERS, namespace, name)
        if user is None or user["metadata"].get("deletionTimestamp"):
            self._passwords.pop((namespace, name), None)
            return GONE
        kafka = self._kafka_of(user)
        if kafka is None:
            return SETTLED
        observed = {"observedGeneration": user["metadata"]["generation"]}
        if is_paused(user):
            self._report(user, {"conditions": [paused_condition()], **observed})
            return SETTLED
        if not _is_ready(kafka):
            return SOON
        try:
            status = self._converge(user, kafka)
        except KafkaUnreachableError as error:
            logger.info("user %s/%s: %s", namespace, name, error)
            return SOON
        except InvalidResourceError as error:
            condition = not_ready_condition("InvalidResourceException", str(error))
            self._report(user, {"conditions": [condition], **observed})
            return SETTLED
        except KafkaRefusedError as error:
            self._report(user, {"conditions": [not_ready_condition("KafkaError", str(error))], **observed})
            return SETTLED
        warnings = (
            [warning_condition("spec.quotas is not applied by this stand-in")] if user["spec"].get("quotas") else []
        )
        self._report(user, {"conditions": [*warnings, ready_condition()], **observed, **status})
        return SETTLED

    def sweep(self, kafka: Manifest, admin: KafkaAdmin) -> None:
        """Remove from Kafka what belongs to users that are gone: there may have been no operator to see them go."""
        if "userOperator" not in (kafka["spec"].get("entityOperator") or {}):
            return
        metadata = kafka["metadata"]
        users = self._api.find(USERS, metadata["namespace"], {CLUSTER_LABEL: metadata["name"]})
        with_password = {user["metadata"]["name"] for user in users if _authentication(user) == "scram-sha-512"}
        for name in sorted(admin.scram_users() - with_password):
            logger.info("removing the password of user %s", name)
            admin.remove_scram_password(name)
        if _has_rules(kafka):
            admin.remove_rules(orphans(admin.rules(), {f"User:{user_name(user)}" for user in users}))

    def _converge(self, user: Manifest, kafka: Manifest) -> Manifest:
        mistakes = acl_mistakes(user)
        if user["spec"].get("authorization") and not _has_rules(kafka):
            mistakes.append(
                "Simple authorization ACL rules are configured but not supported in the Kafka cluster configuration."
            )
        if mistakes:
            raise InvalidResourceError("; ".join(mistakes))
        admin = self._connections.admin(self._names(kafka))
        status: Manifest = {"username": user_name(user)}
        kind = _authentication(user)
        prefix = kafka["spec"]["entityOperator"]["userOperator"].get("secretPrefix", "")
        secret = f"{prefix}{user['metadata']['name']}"
        if kind == "scram-sha-512":
            self._ensure_password(user, kafka, admin, secret)
        elif kind == "tls":
            self._ensure_certificate(user, kafka, secret)
        else:
            self._remove_secret(user, secret)
        if kind in ("scram-sha-512", "tls"):
            status["secret"] = secret
        if _has_rules(kafka):
            principal = f"User:{user_name(user)}"
            create, remove = difference(user_rules(user), admin.rules(principal))
            admin.add_rules(create)
            admin.remove_rules(remove)
        return status

    def _ensure_password(self, user: Manifest, kafka: Manifest, admin: KafkaAdmin, secret_name: str) -> None:
        namespace, name = user["metadata"]["namespace"], user["metadata"]["name"]
        current = self._api.read(SECRETS, namespace, secret_name)
        values = decoded_text(current) if current else {}
        password = self._chosen_password(user) or values.get("password") or new_password()
        module = "org.apache.kafka.common.security.scram.ScramLoginModule"
        wanted = {
            "password": password,
            "sasl.jaas.config": f'{module} required username="{name}" password="{password}";',
        }
        if values != wanted:
            self._api.apply(self._secret(user, kafka, secret_name, encoded(wanted)))
        mark = fingerprint(password, (kafka.get("status") or {}).get("clusterId", ""))
        if self._passwords.get((namespace, name)) != mark or name not in admin.scram_users():
            admin.set_scram_password(name, password)
            self._passwords[namespace, name] = mark

    def _chosen_password(self, user: Manifest) -> str | None:
        """The password that the user's resource points to, if it does."""
        source = user["spec"]["authentication"].get("password")
        if not source:
            return None
        reference = source["valueFrom"]["secretKeyRef"]
        secret = self._api.read(SECRETS, user["metadata"]["namespace"], reference["name"])
        password = decoded_text(secret).get(reference["key"]) if secret else None
        if not password:
            raise InvalidResourceError(f"Secret {reference['name']} has no password under the key {reference['key']}")
        return password

    def _ensure_certificate(self, user: Manifest, kafka: Manifest, secret_name: str) -> None:
        names, namespace = self._names(kafka), user["metadata"]["namespace"]
        certificate, key = (self._api.read(SECRETS, namespace, name) for name in names.authority_secrets("clients"))
        authority = authority_of(certificate, key)
        if authority is None:
            raise KafkaUnreachableError("the clients authority is not there yet")
        current = self._api.read(SECRETS, namespace, secret_name)
        days = user["spec"]["authentication"].get("validityDays", 365)
        data = user_certificate_values(authority, user["metadata"]["name"], current, days)
        if data:
            self._api.apply(self._secret(user, kafka, secret_name, data))

    def _remove_secret(self, user: Manifest, name: str) -> None:
        secret = self._api.read(SECRETS, user["metadata"]["namespace"], name)
        owners = {owner["uid"] for owner in ((secret or {}).get("metadata") or {}).get("ownerReferences") or []}
        if user["metadata"]["uid"] in owners:
            self._api.delete(SECRETS, user["metadata"]["namespace"], name)

    def _secret(self, user: Manifest, kafka: Manifest, name: str, data: dict[str, str]) -> Manifest:
        labels = self._names(kafka).labels(
            user["metadata"]["name"], kind="KafkaUser", application="strimzi-user-operator"
        )
        return {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": user["metadata"]["namespace"],
                "labels": labels,
                "ownerReferences": [owner_reference(user)],
            },
            "type": "Opaque",
            "data": data,
        }


def _authentication(user: Manifest) -> str | None:
    return (user["spec"].get("authentication") or {}).get("type")


def _has_rules(kafka: Manifest) -> bool:
    return (kafka["spec"]["kafka"].get("authorization") or {}).get("type") == "simple"


def _is_ready(kafka: Manifest) -> bool:
    """Whether the cluster has been ready once: from then on its brokers say themselves what they can do."""
    return "operatorLastSuccessfulVersion" in (kafka.get("status") or {})
