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
    POD_HASH,
    application_login,
    authority_secret,
    claims,
    configuration_map,
    disruption_budgets,
    instance_pod,
    login_secret,
    server_names,
    service_account,
    services,
    tls_secret,
)
from lab_operators.cloudnative_pg_resources import CLUSTERS
from lab_operators.cloudnative_pg_role_sync import RoleSync
from lab_operators.cloudnative_pg_status import (
    APPLYING,
    CANNOT_CREATE,
    HEALTHY,
    INVALID,
    SETTING_UP,
    UNKNOWN_PLUGIN,
    UPGRADING,
    WAITING,
    Findings,
    changed,
    cluster_status,
    is_ready,
    one_line,
    pod_trouble,
)
from lab_operators.kubernetes_api import (
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
        findings, again = self._bring_about(cluster)
        status = cluster_status(cluster, findings, now())
        if changed(cluster.get("status") or {}, status):
            self._api.patch_status(CLUSTERS, namespace, name, status)
            if (cluster.get("status") or {}).get("phase") != findings.phase:
                logger.info("cluster %s/%s: %s %s", namespace, name, findings.phase, findings.reason)
        return again

    def _bring_about(self, cluster: Manifest) -> tuple[Findings, Again]:
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        plugins = unknown_plugins(spec)
        if plugins:
            return Findings(UNKNOWN_PLUGIN, f"Unknown plugin: {', '.join(plugins)}"), RESYNC
        wrong = mistakes(name, spec, self._default_image)
        if wrong:
            return Findings(INVALID, "; ".join(wrong)), RESYNC
        findings = Findings(SETTING_UP, instance=f"{name}-1", image=spec.get("imageName") or self._default_image)
        if (cluster.get("status") or {}).get("currentPrimary"):
            findings.phase = WAITING
        try:
            authority = self._objects(cluster, findings)
            pod = self._pod(cluster, findings)
        except ObstacleError as obstacle:
            findings.phase, findings.reason = CANNOT_CREATE, str(obstacle)
            return findings, LATER
        if pod is None or not is_ready(pod):
            return findings, SOON
        try:
            return findings, self._instance(cluster, findings, pod, authority)
        except (InstanceUnreachableError, psycopg.Error) as error:
            findings.reason = one_line(error)
            return findings, SOON

    def _objects(self, cluster: Manifest, findings: Findings) -> KeyPair:
        """Everything but the pod. Existing passwords and certificates stay."""
        authority = self._certificates(cluster)
        self._login_secrets(cluster)
        self._check_storage_classes(cluster, findings.instance)
        configuration = instance_configuration(cluster["metadata"]["name"], cluster["spec"])
        wanted_claims = claims(cluster, findings.instance)
        wanted = [
            service_account(cluster),
            configuration_map(cluster, configuration),
            *services(cluster),
            *disruption_budgets(cluster),
            *wanted_claims,
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
                raise ObstacleError(
                    f"Secret {chosen} of spec.bootstrap.initdb.secret has no password or does not exist"
                )
            if values.get("username", owner) != owner:
                raise ObstacleError(f"Secret {chosen} of spec.bootstrap.initdb.secret is not for the owner {owner}")
        if spec.get("enableSuperuserAccess"):
            if not spec.get("superuserSecret"):
                self._api.create(login_secret(cluster, f"{name}-superuser", "postgres", new_password(), "*"))
        else:
            self._api.delete(SECRETS, namespace, f"{name}-superuser")

    def _check_storage_classes(self, cluster: Manifest, instance: str) -> None:
        """A claim for a class that does not exist would wait forever without a word."""
        for claim in claims(cluster, instance):
            storage_class = claim["spec"].get("storageClassName")
            if not storage_class or self._api.read(STORAGE_CLASSES, None, storage_class):
                continue
            metadata = claim["metadata"]
            if self._api.read(PERSISTENT_VOLUME_CLAIMS, metadata["namespace"], metadata["name"]) is None:
                raise ObstacleError(f"StorageClass {storage_class} does not exist")

    def _pod(self, cluster: Manifest, findings: Findings) -> Manifest | None:
        """The instance's pod as it is; None while there is none that could be ready."""
        namespace = cluster["metadata"]["namespace"]
        wanted = instance_pod(cluster, findings.instance, findings.image)
        pod = self._api.read(PODS, namespace, findings.instance)
        if pod is None:
            try:
                self._api.create(wanted)
            except KubernetesError as error:
                if error.status in (403, 422):
                    raise ObstacleError(f"Pod {findings.instance} is refused: {error.message}") from error
                raise
            return None
        if pod["metadata"].get("deletionTimestamp"):
            findings.phase = UPGRADING if not self._is_current(pod, wanted) else findings.phase
            return None
        if not self._is_current(pod, wanted):
            findings.phase, findings.reason = (
                UPGRADING,
                f"Restarting instance {findings.instance}, its definition changed",
            )
            self._api.delete(PODS, namespace, findings.instance, pod["metadata"]["uid"])
            return None
        if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
            findings.reason = f"Pod {findings.instance} ended: {pod['status'].get('message', pod['status']['phase'])}"
            self._api.delete(PODS, namespace, findings.instance, pod["metadata"]["uid"])
            return None
        findings.pod_ready = is_ready(pod)
        findings.pod_address = (pod.get("status") or {}).get("podIP", "")
        findings.reason = "" if findings.pod_ready else pod_trouble(pod) or self._claim_trouble(namespace, findings)
        return pod

    @staticmethod
    def _is_current(pod: Manifest, wanted: Manifest) -> bool:
        annotations = pod["metadata"].get("annotations") or {}
        return bool(annotations.get(POD_HASH) == wanted["metadata"]["annotations"][POD_HASH])

    def _claim_trouble(self, namespace: str, findings: Findings) -> str:
        for name in findings.claims:
            claim = self._api.read(PERSISTENT_VOLUME_CLAIMS, namespace, name) or {}
            phase = (claim.get("status") or {}).get("phase")
            if phase == "Lost" or (phase == "Pending" and not (claim.get("spec") or {}).get("storageClassName")):
                return f"PersistentVolumeClaim {name} is {phase}: is there a default StorageClass?"
        return ""

    def _instance(self, cluster: Manifest, findings: Findings, pod: Manifest, authority: KeyPair) -> Again:
        """Settings and roles inside the running server."""
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        instance = Instance(findings.pod_address, self._credentials.for_authority(authority))
        configuration = instance_configuration(name, cluster["spec"])
        status = instance.status()
        if not status.get("ready"):
            findings.reason = status.get("error", "")
            return SOON
        if status["configuration"] != configuration_digest(configuration):
            status = instance.reconfigure(configuration)
        findings.instance_status = status
        if status["configuration_errors"]:
            findings.phase, findings.reason = APPLYING, "; ".join(status["configuration_errors"])
            return LATER
        if status["pending_restart"]:
            findings.phase = APPLYING
            findings.reason = f"Restarting instance {findings.instance} for {', '.join(status['pending_restart'])}"
            self._api.delete(PODS, namespace, findings.instance, pod["metadata"]["uid"])
            return SOON
        with instance.connect() as connection:
            sync = RoleSync(self._api, connection, namespace)
            findings.roles, findings.secret_versions = sync.cluster_roles(cluster)
        findings.phase, findings.reason = HEALTHY, ""
        return LATER if findings.roles.cannot_reconcile or findings.roles.pending else RESYNC

    def _secret(self, namespace: str, name: str) -> dict[str, str]:
        secret = self._api.read(SECRETS, namespace, name)
        return decoded(secret) if secret else {}


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
