# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One reconciliation of a Cluster: read what there is, apply what should be, say in the status what came of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

import psycopg

from lab_operators.certificates import (
    KeyPair,
    expires_within,
    names_of,
    new_authority,
    new_client_certificate,
    new_server_certificate,
)
from lab_operators.cloudnative_pg_definition import (
    application_database,
    application_secret_name,
    configuration_digest,
    instance_configuration,
    mistakes,
    unknown_plugins,
)
from lab_operators.cloudnative_pg_instance import CredentialStore, Instance, InstanceUnreachableError
from lab_operators.cloudnative_pg_manifests import (
    CLUSTER_LABEL,
    POD_HASH,
    ROLE_LABEL,
    application_login,
    authority_secret,
    claims,
    configuration_map,
    disruption_budgets,
    instance_pod,
    login_secret,
    owned,
    permissions,
    server_names,
    service_account,
    services,
    tls_secret,
)
from lab_operators.cloudnative_pg_object_stores import (
    BARMAN_CLOUD,
    ObjectStores,
    ObjectStoreSettings,
    ObjectStoreUse,
    archive_use,
    secret_sources,
    source_use,
    store_settings,
)
from lab_operators.cloudnative_pg_resources import BACKUPS, CLUSTERS, OBJECT_STORES
from lab_operators.cloudnative_pg_role_sync import RoleSync
from lab_operators.cloudnative_pg_rollout import Action, Step, next_step
from lab_operators.cloudnative_pg_status import (
    APPLYING,
    CANNOT_CREATE,
    CREATING_REPLICA,
    FAILING_OVER,
    HEALTHY,
    INVALID,
    NO_ROOM,
    NO_ROOM_REASON,
    SCALING_DOWN,
    SETTING_UP,
    SWITCHING_OVER,
    UNKNOWN_PLUGIN,
    UPGRADING,
    WAITING,
    Findings,
    InstanceState,
    changed,
    cluster_status,
    is_ready,
    lacks_room,
    one_line,
    pod_trouble,
)
from lab_operators.kubernetes_api import (
    CONFIG_MAPS,
    PERSISTENT_VOLUME_CLAIMS,
    PODS,
    SECRETS,
    STORAGE_CLASSES,
    KubernetesApi,
    KubernetesError,
    Manifest,
)
from lab_operators.reconciler import GONE, Again
from lab_operators.secret_data import decoded, new_password

logger = logging.getLogger(__name__)

#: Drift that no event tells of (someone drops a role) is found after this time.
RESYNC = Again(30)
#: Something is on its way and may not announce itself.
SOON = Again(2)
#: Only someone else can mend it.
LATER = Again(10)

RENEWAL_DAYS = 7
INITIALISED = "Initialized"
#: The number of an instance, on its claims.
SERIAL = "cnpg.io/nodeSerial"
#: Patroni's ConfigMaps of a cluster, by the last part of their names.
PATRONI_STATE = ("config", "leader", "failover", "sync")


class ObstacleError(Exception):
    """Something the Cluster needs is not there or cannot be made; the message goes into its status."""


class ClusterReconciler:
    """Reconciles Clusters of one operator."""

    def __init__(self, api: KubernetesApi, credentials: CredentialStore, default_image: str) -> None:
        self._api = api
        self._credentials = credentials
        self._default_image = default_image

    def reconcile(self, namespace: str, name: str) -> Again | None:
        """What the operator does whenever something about the Cluster may have changed."""
        cluster = self._api.read(CLUSTERS, namespace, name)
        if cluster is None:
            return GONE
        if cluster["metadata"].get("deletionTimestamp"):
            # Everything of the Cluster is owned by it: the garbage collector takes it away.
            return LATER
        cluster = {"apiVersion": CLUSTERS.api_version, "kind": CLUSTERS.kind, **cluster}
        self._take_over(cluster)
        findings, again = self._bring_about(cluster)
        findings.archives = archive_use(name, cluster["spec"]) is not None
        findings.backups = [
            backup for backup in self._api.find(BACKUPS, namespace) if backup["spec"]["cluster"]["name"] == name
        ]
        status = cluster_status(cluster, findings, now())
        if changed(cluster.get("status") or {}, status):
            self._api.patch_status(CLUSTERS, namespace, name, status)
            if (cluster.get("status") or {}).get("phase") != findings.phase:
                logger.info("cluster %s/%s: %s %s", namespace, name, findings.phase, findings.reason)
        return again

    def _take_over(self, cluster: Manifest) -> None:
        """Volumes of a Cluster of this name that was deleted without them hold the data: nobody makes first data then."""
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        if is_initialised(cluster):
            return
        orphans = [
            claim["metadata"]["name"]
            for claim in self._api.find(PERSISTENT_VOLUME_CLAIMS, namespace, {CLUSTER_LABEL: name})
            if not claim["metadata"].get("ownerReferences") and SERIAL in (claim["metadata"].get("annotations") or {})
        ]
        if not orphans:
            return
        logger.info("cluster %s/%s takes over %s", namespace, name, ", ".join(sorted(orphans)))
        before = (cluster.get("status") or {}).get("conditions") or []
        initialised = {
            "type": INITIALISED,
            "status": "True",
            "reason": "BootstrapCompleted",
            "message": "Cluster has been bootstrapped",
            "lastTransitionTime": now(),
        }
        status = {"conditions": [*(one for one in before if one["type"] != INITIALISED), initialised]}
        self._api.patch_status(CLUSTERS, namespace, name, status)
        cluster["status"] = {**(cluster.get("status") or {}), **status}

    def _bring_about(self, cluster: Manifest) -> tuple[Findings, Again]:
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        plugins = unknown_plugins(spec)
        if plugins:
            return Findings(UNKNOWN_PLUGIN, f"Unknown plugin: {', '.join(plugins)}"), RESYNC
        wrong = mistakes(name, spec, self._default_image)
        if wrong:
            return Findings(INVALID, "; ".join(wrong)), RESYNC
        findings = Findings(
            WAITING if is_initialised(cluster) else SETTING_UP, image=spec.get("imageName") or self._default_image
        )
        pods = self._api.find(PODS, cluster["metadata"]["namespace"], {CLUSTER_LABEL: name})
        full = any(lacks_room(pod) for pod in pods)
        try:
            stores = self._object_stores(cluster)
            configuration = instance_configuration(name, spec, stores)
            authority = self._objects(cluster, findings, configuration, full=full)
            self._pods(cluster, findings, stores, full=full)
        except ObstacleError as obstacle:
            findings.phase, findings.reason = CANNOT_CREATE, str(obstacle)
            return findings, LATER
        self._patroni_objects(cluster)
        if full:
            findings.phase, findings.reason = NO_ROOM, NO_ROOM_REASON
            return findings, LATER
        try:
            return findings, self._servers(cluster, findings, authority, configuration)
        except (InstanceUnreachableError, psycopg.Error) as error:
            findings.reason = one_line(error)
            return findings, SOON

    def _object_stores(self, cluster: Manifest) -> ObjectStores:
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        archive, archive_secrets = self._object_store(cluster, archive_use(name, spec))
        # Data that are there need no source any more.
        source, source_secrets = self._object_store(cluster, None if is_initialised(cluster) else source_use(spec))
        return ObjectStores(archive, source, archive_secrets, source_secrets)

    def _object_store(
        self, cluster: Manifest, use: ObjectStoreUse | None
    ) -> tuple[ObjectStoreSettings | None, tuple[Manifest, ...]]:
        if use is None:
            return None, ()
        namespace = cluster["metadata"]["namespace"]
        store = self._api.read(OBJECT_STORES, namespace, use.name)
        if store is None:
            raise ObstacleError(f"ObjectStore {use.name} of the plugin {BARMAN_CLOUD} does not exist")
        sources = secret_sources(store)
        for source in sources:
            secret, key = source["secret"]["name"], source["secret"]["items"][0]["key"]
            if key not in self._secret(namespace, secret):
                raise ObstacleError(f"Secret {secret} of the ObjectStore {use.name} has no key {key} or does not exist")
        return store_settings(store, use.server), sources

    def _objects(self, cluster: Manifest, findings: Findings, configuration: str, *, full: bool) -> KeyPair:
        """Everything but the pod. Existing passwords and certificates stay; where a volume is full, claims do, too."""
        authority = self._certificates(cluster)
        self._login_secrets(cluster)
        wanted_claims = [claim for instance in instance_names(cluster) for claim in claims(cluster, instance)]
        self._check_storage_classes(wanted_claims)
        wanted = [
            service_account(cluster),
            *permissions(cluster),
            configuration_map(cluster, configuration),
            *services(cluster),
            *disruption_budgets(cluster),
            *([] if full else wanted_claims),
        ]
        for manifest in wanted:
            try:
                self._api.apply(manifest)
            except KubernetesError as error:
                if error.status in (403, 409, 422):
                    what = f"{manifest['kind']} {manifest['metadata']['name']}"
                    raise ObstacleError(f"{what} is refused: {error.message}") from error
                raise
        findings.claims = [claim["metadata"]["name"] for claim in wanted_claims]
        return authority

    def _certificates(self, cluster: Manifest) -> KeyPair:
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        stored = self._secret(namespace, f"{name}-ca")
        if {"ca.crt", "ca.key"} <= set(stored):
            authority = KeyPair(stored["ca.crt"], stored["ca.key"])
        else:
            authority = new_authority(name, namespace)
            self._api.apply(authority_secret(cluster, f"{name}-ca", authority))
        names = server_names(name, namespace) + list(
            (cluster["spec"].get("certificates") or {}).get("serverAltDNSNames") or []
        )
        makers: dict[str, tuple[set[str], Callable[[], KeyPair]]] = {
            f"{name}-server": (set(names), lambda: new_server_certificate(authority, f"{name}-rw", names)),
            f"{name}-replication": (set(), lambda: new_client_certificate(authority, "streaming_replica")),
        }
        for secret, (wanted_names, make) in makers.items():
            certificate = self._secret(namespace, secret).get("tls.crt", "")
            if not certificate or names_of(certificate) != wanted_names or expires_within(certificate, RENEWAL_DAYS):
                self._api.apply(tls_secret(cluster, secret, make()))
        return authority

    def _login_secrets(self, cluster: Manifest) -> None:
        name, namespace, spec = cluster["metadata"]["name"], cluster["metadata"]["namespace"], cluster["spec"]
        chosen = application_secret_name(name, spec)
        if chosen == f"{name}-app":
            self._api.create(application_login(cluster, new_password()))
        else:
            values = self._secret(namespace, chosen)
            _database, owner = application_database(spec)
            if not values.get("password"):
                raise ObstacleError(f"Secret {chosen} of spec.bootstrap has no password or does not exist")
            if values.get("username", owner) != owner:
                raise ObstacleError(f"Secret {chosen} of spec.bootstrap is not for the owner {owner}")
        if spec.get("enableSuperuserAccess"):
            if not spec.get("superuserSecret"):
                self._api.create(login_secret(cluster, f"{name}-superuser", "postgres", new_password(), "*"))
        else:
            self._api.delete(SECRETS, namespace, f"{name}-superuser")

    def _check_storage_classes(self, wanted: list[Manifest]) -> None:
        """A claim for a class that does not exist would wait forever without a word."""
        for claim in wanted:
            storage_class = claim["spec"].get("storageClassName")
            if not storage_class or self._api.read(STORAGE_CLASSES, None, storage_class):
                continue
            metadata = claim["metadata"]
            if self._api.read(PERSISTENT_VOLUME_CLAIMS, metadata["namespace"], metadata["name"]) is None:
                raise ObstacleError(f"StorageClass {storage_class} does not exist")

    def _pods(self, cluster: Manifest, findings: Findings, stores: ObjectStores, *, full: bool) -> None:
        """Make the pods that are missing, unless a volume is full, and note how the others are.

        The standbys copy the primary's data: there are none before it has said who it is.
        """
        namespace, initialised = cluster["metadata"]["namespace"], is_initialised(cluster)
        for instance in instance_names(cluster):
            if not initialised and findings.instances:
                break
            wanted = instance_pod(cluster, instance, findings.image, stores, first_data=not initialised)
            pod = self._api.read(PODS, namespace, instance)
            state = InstanceState(instance)
            findings.instances.append(state)
            if pod is None:
                if not full:
                    self._create_pod(wanted)
                continue
            status = pod.get("status") or {}
            if pod["metadata"].get("deletionTimestamp"):
                state.terminating = True
            elif status.get("phase") in ("Failed", "Succeeded"):
                state.trouble = f"Pod {instance} ended: {status.get('message', status['phase'])}"
                self._api.delete(PODS, namespace, instance, pod["metadata"]["uid"])
            else:
                state.pod_ready, state.address = is_ready(pod), status.get("podIP", "")
                if not state.pod_ready:
                    state.trouble = pod_trouble(pod) or self._claim_trouble(cluster, instance)
                if not self._is_current(pod, wanted):
                    state.restart_reason = "its definition changed"

    def _create_pod(self, wanted: Manifest) -> None:
        try:
            self._api.create(wanted)
        except KubernetesError as error:
            if error.status in (403, 422):
                raise ObstacleError(f"Pod {wanted['metadata']['name']} is refused: {error.message}") from error
            raise

    @staticmethod
    def _is_current(pod: Manifest, wanted: Manifest) -> bool:
        annotations = pod["metadata"].get("annotations") or {}
        return bool(annotations.get(POD_HASH) == wanted["metadata"]["annotations"][POD_HASH])

    def _claim_trouble(self, cluster: Manifest, instance: str) -> str:
        for name in (claim["metadata"]["name"] for claim in claims(cluster, instance)):
            claim = self._api.read(PERSISTENT_VOLUME_CLAIMS, cluster["metadata"]["namespace"], name) or {}
            phase = (claim.get("status") or {}).get("phase")
            if phase == "Lost" or (phase == "Pending" and not (claim.get("spec") or {}).get("storageClassName")):
                return f"PersistentVolumeClaim {name} is {phase}: is there a default StorageClass?"
        return ""

    def _patroni_objects(self, cluster: Manifest) -> None:
        """Patroni's ConfigMaps go with the Cluster, and a pod that cannot speak any more is not called the primary."""
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        state = {kind: self._api.read(CONFIG_MAPS, namespace, f"{name}-{kind}") for kind in PATRONI_STATE}
        for config_map in state.values():
            if config_map and not config_map["metadata"].get("ownerReferences"):
                owner = owned(cluster, "ConfigMap", config_map["metadata"]["name"])["metadata"]["ownerReferences"]
                change = {"metadata": {"ownerReferences": owner}}
                self._api.patch(CONFIG_MAPS, namespace, config_map["metadata"]["name"], change)
        leader = (((state["leader"] or {}).get("metadata") or {}).get("annotations") or {}).get("leader")
        if not leader:
            return
        for pod in self._api.find(PODS, namespace, {CLUSTER_LABEL: name, ROLE_LABEL: "primary"}):
            if pod["metadata"]["name"] != leader:
                change = {"metadata": {"labels": {ROLE_LABEL: "replica"}}}
                self._api.patch(PODS, namespace, pod["metadata"]["name"], change)

    def _servers(self, cluster: Manifest, findings: Findings, authority: KeyPair, configuration: str) -> Again:
        """Settings, order of restarts, and roles of the running servers."""
        namespace = cluster["metadata"]["namespace"]
        credentials = self._credentials.for_authority(authority)
        ready = [state for state in findings.instances if state.pod_ready]
        servers = {state.name: Instance(state.address, credentials) for state in ready}
        for state in ready:
            self._ask(state, servers[state.name])
        # What holds for all of them the primary writes down: it comes first.
        for state in sorted(ready, key=lambda state: not state.is_primary):
            if state.answer.get("ready") and state.answer["configuration"] != configuration_digest(configuration):
                state.answer = servers[state.name].reconfigure(configuration)
            if state.answer.get("pending_restart") and not state.restart_reason:
                state.restart_reason = f"for {', '.join(state.answer['pending_restart'])}"
        primary = findings.primary
        refused = [error for state in ready for error in state.answer.get("configuration_errors") or []]
        if refused:
            findings.phase, findings.reason = APPLYING, "; ".join(dict.fromkeys(refused))
            return LATER
        step = next_step(findings.instances, primary.name if primary else None)
        if step:
            self._take(step, cluster, findings, servers)
            return SOON
        findings.reason = "; ".join(state.trouble for state in findings.instances if state.trouble)
        complete = len(ready) == len(instance_names(cluster)) and all(state.answer.get("ready") for state in ready)
        if complete and self._shrink(cluster, findings):
            return SOON
        if primary is None:
            if is_initialised(cluster) and any(state.answer.get("ready") for state in ready):
                findings.phase = FAILING_OVER
            return SOON
        if not is_initialised(cluster) and len(instance_names(cluster)) > 1:
            # Written into the status before anything else: a commit may wait for standbys, and they wait for this.
            findings.phase = CREATING_REPLICA
            return SOON
        with servers[primary.name].connect() as connection:
            sync = RoleSync(self._api, connection, namespace)
            findings.roles, findings.secret_versions = sync.cluster_roles(cluster)
        if not complete:
            return SOON
        findings.phase, findings.reason = HEALTHY, ""
        return LATER if findings.roles.cannot_reconcile or findings.roles.pending else RESYNC

    @staticmethod
    def _ask(state: InstanceState, server: Instance) -> None:
        """A server that does not answer is one of several: the others go on."""
        try:
            state.answer = server.status()
            state.trouble = state.answer.get("error", "")
        except InstanceUnreachableError as error:
            state.trouble = f"{state.name} does not answer: {one_line(error)}"

    def _take(self, step: Step, cluster: Manifest, findings: Findings, servers: dict[str, Instance]) -> None:
        namespace = cluster["metadata"]["namespace"]
        findings.phase = UPGRADING if "definition" in step.reason else APPLYING
        findings.reason = f"Restarting instance {step.instance}: {step.reason}"
        if step.action is Action.REPLACE:
            pod = self._api.read(PODS, namespace, step.instance)
            if pod:
                self._api.delete(PODS, namespace, step.instance, pod["metadata"]["uid"])
        elif step.action is Action.SWITCH_OVER:
            findings.phase = SWITCHING_OVER
            servers[step.instance].switch_over(step.instance)

    def _shrink(self, cluster: Manifest, findings: Findings) -> bool:
        """Take away what is beyond spec.instances, with its volumes; whether there was something.

        Should the primary be among them, one of the others takes its place when it shuts down.
        """
        name, namespace = cluster["metadata"]["name"], cluster["metadata"]["namespace"]
        names = instance_names(cluster)
        surplus = [
            claim
            for claim in self._api.find(PERSISTENT_VOLUME_CLAIMS, namespace, {CLUSTER_LABEL: name})
            if claim["metadata"]["labels"]["cnpg.io/instanceName"] not in names
        ]
        for claim in surplus:
            instance = claim["metadata"]["labels"]["cnpg.io/instanceName"]
            findings.phase, findings.reason = SCALING_DOWN, f"Removing instance {instance}"
            pod = self._api.read(PODS, namespace, instance)
            if pod is None:
                self._api.delete(PERSISTENT_VOLUME_CLAIMS, namespace, claim["metadata"]["name"])
            elif not pod["metadata"].get("deletionTimestamp"):
                self._api.delete(PODS, namespace, instance, pod["metadata"]["uid"])
        return bool(surplus)

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        secret = self._api.read(SECRETS, namespace, name)
        return decoded(secret) if secret else {}


def instance_names(cluster: Manifest) -> list[str]:
    """The names of the Cluster's instances, which are those of their pods and volumes, too."""
    name, instances = cluster["metadata"]["name"], cluster["spec"].get("instances", 1)
    return [f"{name}-{number}" for number in range(1, instances + 1)]


def is_initialised(cluster: Manifest) -> bool:
    """Whether the Cluster has had data; then nobody makes first data again."""
    status = cluster.get("status") or {}
    taken_over = any(
        condition["type"] == INITIALISED and condition["status"] == "True"
        for condition in status.get("conditions") or []
    )
    return bool(status.get("systemID")) or taken_over


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
