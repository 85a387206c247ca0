# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings Kafka clusters and their node pools to what the custom resources say. May be called at any time, any number of times."""

from __future__ import annotations

import base64
import logging
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lab_operators.certificates import KeyPair
from lab_operators.kubernetes_api import (
    CONFIG_MAPS,
    NETWORK_POLICIES,
    PODS,
    SECRETS,
    STATEFUL_SETS,
    KubernetesApi,
    KubernetesError,
    ResourceKind,
)
from lab_operators.reconciler import GONE, Again
from lab_operators.strimzi_admin import KafkaAdmin, KafkaRefusedError, KafkaUnreachableError
from lab_operators.strimzi_certificates import (
    authority_is_good,
    authority_of,
    decoded_text,
    fingerprint,
    generation_of,
    new_authority_secrets,
    node_certificates,
    operator_certificate,
)
from lab_operators.strimzi_cluster import (
    Pool,
    cluster_objects,
    kafka_mistakes,
    kafka_warnings,
    numbered_pools,
    pool_objects,
)
from lab_operators.strimzi_configuration import METRICS_REPORTER
from lab_operators.strimzi_names import (
    API_VERSION,
    CLUSTER_LABEL,
    OPERATOR_NAME,
    REPLICATION_PORT,
    ClusterNames,
    is_paused,
)
from lab_operators.strimzi_status import (
    InvalidResourceError,
    kafka_ready_status,
    not_ready_condition,
    paused_condition,
    pods_problem,
    pool_status,
    rolled_out,
    status_change,
)

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]

KAFKAS = ResourceKind(API_VERSION, "Kafka", "kafkas")
POOLS = ResourceKind(API_VERSION, "KafkaNodePool", "kafkanodepools")
TOPICS = ResourceKind(API_VERSION, "KafkaTopic", "kafkatopics")
USERS = ResourceKind(API_VERSION, "KafkaUser", "kafkausers")

SETTLED = Again(30)
SOON = Again(1)


@dataclass(frozen=True)
class StrimziSettings:
    """What the operator's environment decides."""

    image: str
    domain: str = "cluster.local"
    network_policies: bool = True
    finalizers: bool = True


class Connections:
    """One admin client per cluster, made new when its certificates change."""

    def __init__(self, api: KubernetesApi, connect: Callable[[str, str, str, str], KafkaAdmin] = KafkaAdmin) -> None:
        self._api = api
        self._connect = connect
        self._lock = threading.Lock()
        self._open: dict[tuple[str, str], tuple[str, KafkaAdmin]] = {}

    def admin(self, names: ClusterNames) -> KafkaAdmin:
        """The client; raises KafkaUnreachableError while the certificates are not there."""
        authority = self._api.read(SECRETS, names.namespace, names.authority_secrets("cluster")[0])
        own = self._api.read(SECRETS, names.namespace, names.operator_certificate_secret)
        if not authority or not own:
            raise KafkaUnreachableError("the certificates are not there yet")
        values = decoded_text(own)
        parts = (
            f"{names.bootstrap_host()}:{REPLICATION_PORT}",
            decoded_text(authority)["ca.crt"],
            values[f"{OPERATOR_NAME}.crt"],
            values[f"{OPERATOR_NAME}.key"],
        )
        key, mark = (names.namespace, names.cluster), fingerprint(*parts)
        with self._lock:
            if key not in self._open or self._open[key][0] != mark:
                self._open[key] = (mark, self._connect(*parts))
            return self._open[key][1]

    def forget(self, namespace: str, cluster: str) -> None:
        with self._lock:
            self._open.pop((namespace, cluster), None)


class KafkaController:
    """Clusters and node pools."""

    def __init__(
        self,
        api: KubernetesApi,
        settings: StrimziSettings,
        connections: Connections,
        sweep_users: Callable[[Manifest, KafkaAdmin], None],
    ) -> None:
        self._api = api
        self._settings = settings
        self._connections = connections
        self._sweep_users = sweep_users
        api.register(KAFKAS, POOLS, TOPICS, USERS)

    def reconcile(self, namespace: str, name: str) -> Again | None:
        kafka = self._api.read(KAFKAS, namespace, name)
        if kafka is None or kafka["metadata"].get("deletionTimestamp"):
            self._connections.forget(namespace, name)
            return GONE
        if is_paused(kafka):
            self._report(kafka, {"conditions": [paused_condition()]})
            return SETTLED
        names = ClusterNames(name, namespace, self._settings.domain)
        pools = numbered_pools(self._api.find(POOLS, namespace, {CLUSTER_LABEL: name}))
        try:
            mistakes = kafka_mistakes(kafka, pools)
            if mistakes:
                raise InvalidResourceError("; ".join(mistakes))
            stateful_sets = self._apply(kafka, names, pools)
        except InvalidResourceError as error:
            condition = not_ready_condition("InvalidResourceException", str(error))
            observed = kafka["metadata"]["generation"]
            self._report(kafka, {"conditions": [condition], "observedGeneration": observed})
            return SETTLED
        return self._observe(kafka, names, pools, stateful_sets)

    def _apply(self, kafka: Manifest, names: ClusterNames, pools: list[Pool]) -> list[Manifest]:
        """Everything the cluster is made of. The answer is the StatefulSets as they are now."""
        cluster_id = self._cluster_id(kafka)
        for pool in pools:
            self._report(pool.resource, pool_status(pool, names, cluster_id), POOLS)
        metrics = self._metrics_rules(kafka)
        checksum = self._ensure_certificates(kafka, names, pools)
        for manifest in cluster_objects(kafka, names, network_policies=self._settings.network_policies):
            self._api.apply(manifest)
        if not self._settings.network_policies:
            self._api.delete(NETWORK_POLICIES, names.namespace, names.network_policy)
        voters = {
            number: names.pod(pool.name, number)
            for pool in pools
            if "controller" in pool.roles
            for number in pool.node_ids
        }
        stateful_sets = []
        for pool in pools:
            configuration, stateful_set = pool_objects(
                kafka,
                names,
                pool,
                image=self._settings.image,
                cluster_id=cluster_id,
                voters=voters,
                metrics=metrics,
                certificates_checksum=checksum,
            )
            self._api.apply(configuration)
            stateful_sets.append(self._apply_stateful_set(stateful_set, pool))
        self._remove_old_pools(names, pools)
        return stateful_sets

    def _apply_stateful_set(self, stateful_set: Manifest, pool: Pool) -> Manifest:
        try:
            return self._api.apply(stateful_set)
        except KubernetesError as error:
            if error.status != 422:
                raise
            raise InvalidResourceError(
                f"KafkaNodePool {pool.name}: its storage cannot be changed by this stand-in ({error.message})"
            ) from error

    def _observe(self, kafka: Manifest, names: ClusterNames, pools: list[Pool], stateful_sets: list[Manifest]) -> Again:
        status = kafka.get("status") or {}
        was_ready = "operatorLastSuccessfulVersion" in status
        if not all(rolled_out(stateful_set) for stateful_set in stateful_sets):
            problem = pods_problem(self._api.find(PODS, names.namespace, names.selector))
            if problem:
                self._report(kafka, {"conditions": [not_ready_condition("FatalProblem", problem)]})
            else:
                self._report_waiting(kafka, "waiting for the pods", was_ready=was_ready)
            return SOON
        brokers = {number for pool in pools if "broker" in pool.roles for number in pool.node_ids}
        try:
            admin = self._connections.admin(names)
            missing = brokers - set(admin.broker_ids())
            if missing:
                self._report_waiting(kafka, f"brokers {sorted(missing)} are not registered", was_ready=was_ready)
                return SOON
            self._sweep_users(kafka, admin)
        except (KafkaUnreachableError, KafkaRefusedError) as error:
            # The client may hold on to the address of a pod that is gone; a new one asks the Service.
            self._connections.forget(names.namespace, names.cluster)
            self._report_waiting(kafka, f"the brokers do not answer the operator: {error}", was_ready=was_ready)
            return SOON
        authority = self._api.read(SECRETS, names.namespace, names.authority_secrets("cluster")[0]) or {}
        ready = kafka_ready_status(
            kafka,
            names,
            pools,
            cluster_id=status["clusterId"],
            authority=decoded_text(authority).get("ca.crt", ""),
            warnings=kafka_warnings(kafka, status.get("kafkaMetadataVersion")),
        )
        self._report(kafka, ready)
        return SETTLED

    def _report_waiting(self, kafka: Manifest, message: str, *, was_ready: bool) -> None:
        reason, text = (
            ("Rolling", message) if was_ready else ("Creating", f"Kafka cluster is being deployed: {message}")
        )
        self._report(kafka, {"conditions": [not_ready_condition(reason, text)]})

    def _cluster_id(self, kafka: Manifest) -> str:
        """Noted before anything is made with it: volumes that belong to another id are refused by Kafka."""
        cluster_id = (kafka.get("status") or {}).get("clusterId")
        if not cluster_id:
            cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            creating = not_ready_condition("Creating", "Kafka cluster is being deployed")
            self._report(kafka, {"clusterId": cluster_id, "conditions": [creating]})
        return str(cluster_id)

    def _metrics_rules(self, kafka: Manifest) -> str | None:
        metrics = kafka["spec"]["kafka"].get("metricsConfig")
        if not metrics or metrics["type"] == METRICS_REPORTER:
            return None
        reference = metrics["valueFrom"]["configMapKeyRef"]
        config_map = self._api.read(CONFIG_MAPS, kafka["metadata"]["namespace"], reference["name"]) or {}
        rules = (config_map.get("data") or {}).get(reference["key"])
        if rules is None:
            raise InvalidResourceError(
                f"spec.kafka.metricsConfig: ConfigMap {reference['name']} or its key {reference['key']} does not exist"
            )
        return str(rules)

    def _ensure_certificates(self, kafka: Manifest, names: ClusterNames, pools: list[Pool]) -> str:
        """All Secrets with certificates. The answer changes when brokers must take over new ones."""
        authorities = {kind: self._ensure_authority(kafka, names, kind) for kind in ("cluster", "clients")}
        pods = [names.pod(pool.name, number) for pool in pools for number in pool.node_ids]
        nodes = self._api.read(SECRETS, names.namespace, names.node_certificates_secret)
        nodes = self._applied(node_certificates(kafka, names, authorities["cluster"], pods, nodes), nodes)
        operator = self._api.read(SECRETS, names.namespace, names.operator_certificate_secret)
        self._applied(operator_certificate(kafka, names, authorities["cluster"], operator), operator)
        certificates = [value for key, value in sorted(decoded_text(nodes).items()) if key.endswith(".crt")]
        return fingerprint(*(authority.certificate for authority in authorities.values()), *certificates)

    def _ensure_authority(self, kafka: Manifest, names: ClusterNames, kind: str) -> KeyPair:
        settings = kafka["spec"].get(f"{kind}Ca") or {}
        certificate, key = (self._api.read(SECRETS, names.namespace, name) for name in names.authority_secrets(kind))
        authority = authority_of(certificate, key)
        if settings.get("generateCertificateAuthority") is False:
            if authority is None:
                raise InvalidResourceError(
                    f"spec.{kind}Ca: the Secrets {' and '.join(names.authority_secrets(kind))} have to be there"
                )
            return authority
        if authority and authority_is_good(authority, settings):
            return authority
        certificate, key = new_authority_secrets(kafka, names, kind, generation_of(certificate) + 1)
        logger.info("new %s authority for Kafka %s/%s", kind, names.namespace, names.cluster)
        made = authority_of(self._api.apply(certificate), self._api.apply(key))
        if made is None:
            raise RuntimeError(f"the {kind} authority was not stored")
        return made

    def _applied(self, wanted: Manifest | None, current: Manifest | None) -> Manifest:
        return self._api.apply(wanted) if wanted else current or {}

    def _remove_old_pools(self, names: ClusterNames, pools: list[Pool]) -> None:
        wanted = {names.pool(pool.name) for pool in pools}
        for stateful_set in self._api.find(STATEFUL_SETS, names.namespace, names.selector):
            name = stateful_set["metadata"]["name"]
            if name not in wanted:
                logger.info("removing node pool %s/%s", names.namespace, name)
                self._api.delete(STATEFUL_SETS, names.namespace, name)
                self._api.delete(CONFIG_MAPS, names.namespace, name)

    def _report(self, resource: Manifest, status: Manifest, kind: ResourceKind = KAFKAS) -> None:
        change = status_change(resource, status)
        if change:
            metadata = resource["metadata"]
            self._api.patch_status(kind, metadata["namespace"], metadata["name"], change)
            resource["status"] = {**(resource.get("status") or {}), **change}
