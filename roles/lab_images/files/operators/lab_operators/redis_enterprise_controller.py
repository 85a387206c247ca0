# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings clusters and databases to what their custom resources say. Each function may be called at any time, any number of times."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from typing import Any

from lab_operators.certificates import KeyPair, expires_within, names_of, new_authority, new_server_certificate
from lab_operators.kubernetes_api import PODS, SECRETS, SERVICES, STATEFUL_SETS, KubernetesApi, ResourceKind
from lab_operators.reconciler import GONE, Again
from lab_operators.redis_enterprise_api import ClusterApi, ClusterUnreachableError, RequestRefusedError
from lab_operators.redis_enterprise_cluster import (
    CLUSTER_FINALIZER,
    CLUSTER_VERSION,
    DEFAULT_USERNAME,
    ClusterSettings,
    certificate_names,
    certificate_secret_name,
    cluster_mistakes,
    cluster_objects,
    cluster_state,
    cluster_status,
    credentials_secret_name,
    node_hosts,
    node_labels,
    owner_reference,
)
from lab_operators.redis_enterprise_database import (
    DATABASE_FINALIZER,
    DATABASE_VERSION,
    changes,
    cluster_name,
    database_mistakes,
    database_request,
    database_services,
    invalid_status,
    pending_status,
    refused_status,
    secret_name,
    secret_values,
    served_status,
)
from lab_operators.secret_data import decoded, encoded, new_password

logger = logging.getLogger(__name__)

Manifest = dict[str, Any]

CLUSTERS = ResourceKind(CLUSTER_VERSION, "RedisEnterpriseCluster", "redisenterpriseclusters")
DATABASES = ResourceKind(DATABASE_VERSION, "RedisEnterpriseDatabase", "redisenterprisedatabases")

CERTIFICATE_DAYS = 825
RENEW_DAYS = 30
SETTLED = Again(30)
SOON = Again(1)

ConnectCluster = Callable[[str, str, str, str], ClusterApi]


class RedisEnterpriseController:
    """The operator's work, apart from watching."""

    def __init__(self, api: KubernetesApi, settings: ClusterSettings, connect: ConnectCluster = ClusterApi) -> None:
        self._api = api
        self._settings = settings
        self._connect = connect
        api.register(CLUSTERS, DATABASES)

    # --- clusters

    def reconcile_cluster(self, namespace: str, name: str) -> Again | None:
        cluster = self._api.read(CLUSTERS, namespace, name)
        if cluster is None:
            return GONE
        databases = self._databases_of(namespace, name)
        self._set_finalizer(CLUSTERS, cluster, CLUSTER_FINALIZER, wanted=bool(databases))
        status = cluster.get("status") or {}
        if cluster["metadata"].get("deletionTimestamp"):
            self._patch_status(CLUSTERS, cluster, {"state": "Deleting"})
            return SOON if databases else GONE
        stateful_set = self._api.read(STATEFUL_SETS, namespace, name)
        licence = self._licence(cluster)
        mistakes = cluster_mistakes(cluster, stateful_set, licence) + self._other_cluster(cluster)
        if mistakes:
            self._patch_status(CLUSTERS, cluster, {"state": "Invalid", "specStatus": f"Invalid: {'; '.join(mistakes)}"})
            return SETTLED
        if not status.get("state"):
            self._patch_status(CLUSTERS, cluster, {"state": "PendingCreation", "specStatus": "Valid"})
        self._ensure_credentials(cluster)
        checksum = self._ensure_certificate(cluster)
        for manifest in cluster_objects(cluster, self._settings, checksum):
            stateful_set = self._api.apply(manifest)
        return self._report_cluster(cluster, stateful_set, licence or "")

    def _licence(self, cluster: Manifest) -> str | None:
        """The licence that the cluster names; None when its Secret has none."""
        name = cluster["spec"].get("licenseSecretName")
        if not name:
            return ""
        secret = self._api.read(SECRETS, cluster["metadata"]["namespace"], name)
        return (decoded(secret).get("license") or "").strip() or None if secret else None

    def _report_cluster(self, cluster: Manifest, stateful_set: Manifest | None, licence: str) -> Again:
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        status = cluster.get("status") or {}
        license_info = modules = nodes = None
        try:
            rest = self._cluster_api(cluster)
            license_info, modules, nodes = rest.license(), rest.modules(), rest.nodes()
            if licence and license_info["license"] != licence:
                try:
                    license_info = rest.set_license(licence)
                except RequestRefusedError as error:
                    sentence = f"Invalid: spec.licenseSecretName: {error}"
                    self._patch_status(CLUSTERS, cluster, {"state": "Invalid", "specStatus": sentence})
                    return SETTLED
        except (ClusterUnreachableError, RequestRefusedError) as error:
            logger.debug("cluster %s/%s: %s", namespace, name, error)
        state = cluster_state(
            status.get("state"),
            stateful_set,
            self._api.find(PODS, namespace, node_labels(name)),
            api_answers=nodes is not None and all(node["status"] == "active" for node in nodes),
            was_running="licenseStatus" in status,
        )
        # The licence is shown from the moment the cluster runs: by it a later outage is told from a first start.
        shown = license_info if state == "Running" or "licenseStatus" in status else None
        new = cluster_status(state, cluster=cluster, license_info=shown, modules=modules, nodes=nodes)
        self._patch_status(CLUSTERS, cluster, new)
        return SETTLED if state == "Running" else SOON

    def _other_cluster(self, cluster: Manifest) -> list[str]:
        """One cluster per namespace; the first one stays."""
        own = (cluster["metadata"]["creationTimestamp"], cluster["metadata"]["name"])
        for other in self._api.find(CLUSTERS, cluster["metadata"]["namespace"]):
            if (other["metadata"]["creationTimestamp"], other["metadata"]["name"]) < own:
                return [f"the namespace has a cluster already: {other['metadata']['name']}"]
        return []

    def _ensure_credentials(self, cluster: Manifest) -> None:
        namespace, name = cluster["metadata"]["namespace"], credentials_secret_name(cluster)
        if self._api.read(SECRETS, namespace, name) is None:
            values = {"username": cluster["spec"].get("username", DEFAULT_USERNAME), "password": new_password()}
            self._api.create(_secret(name, cluster, values))

    def _ensure_certificate(self, cluster: Manifest) -> str:
        """The node's certificate, made new when it ends soon or misses a name. The answer is its checksum."""
        namespace, name = cluster["metadata"]["namespace"], certificate_secret_name(cluster)
        names = certificate_names(cluster)
        secret = self._api.read(SECRETS, namespace, name)
        values = decoded(secret) if secret else {}
        certificate = values.get("tls.crt", "")
        if not certificate or expires_within(certificate, RENEW_DAYS) or not names_of(certificate) >= set(names):
            # The authority's key is thrown away: it signs this one certificate.
            authority: KeyPair = new_authority(f"{cluster['metadata']['name']} cluster", "Redis lab", CERTIFICATE_DAYS)
            pair = new_server_certificate(authority, names[0], names, CERTIFICATE_DAYS)
            certificate = pair.certificate
            values = {"ca.crt": authority.certificate, "tls.crt": certificate, "tls.key": pair.key}
            self._api.apply(_secret(name, cluster, values))
        return hashlib.sha256(certificate.encode()).hexdigest()[:16]

    def _cluster_api(self, cluster: Manifest) -> ClusterApi:
        namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
        credentials = self._api.read(SECRETS, namespace, credentials_secret_name(cluster))
        certificate = self._api.read(SECRETS, namespace, certificate_secret_name(cluster))
        if credentials is None or certificate is None:
            raise ClusterUnreachableError(f"the Secrets of cluster {name} are not there yet")
        user = decoded(credentials)
        return self._connect(node_hosts(cluster)[0], decoded(certificate)["ca.crt"], user["username"], user["password"])

    # --- databases

    def reconcile_database(self, namespace: str, name: str) -> Again | None:
        database = self._api.read(DATABASES, namespace, name)
        if database is None:
            return GONE
        clusters = {cluster["metadata"]["name"]: cluster for cluster in self._api.find(CLUSTERS, namespace)}
        named = cluster_name(database, list(clusters))
        cluster = clusters.get(named) if named else None
        if database["metadata"].get("deletionTimestamp"):
            return self._delete_database(database, cluster)
        self._set_finalizer(DATABASES, database, DATABASE_FINALIZER, wanted=True)
        mistakes = database_mistakes(database)
        if mistakes:
            self._patch_status(DATABASES, database, invalid_status(database, mistakes))
            return SETTLED
        if cluster is None or (cluster.get("status") or {}).get("state") != "Running":
            reason = f"waiting for the cluster {named}" if named else "waiting for a cluster in this namespace"
            self._patch_status(DATABASES, database, pending_status(database, named, reason))
            return SOON
        try:
            return self._serve_database(database, cluster)
        except ClusterUnreachableError as error:
            logger.warning("database %s/%s: %s", namespace, name, error)
            reason = f"the API of cluster {named} does not answer"
            self._patch_status(DATABASES, database, pending_status(database, named, reason))
            return SOON

    def _serve_database(self, database: Manifest, cluster: Manifest) -> Again:
        cluster_called = cluster["metadata"]["name"]
        rest = self._cluster_api(cluster)
        request = database_request(database, self._ensure_password(database))
        current = _found(database, rest.databases())
        try:
            if current is None:
                current = rest.create_database(request)
                logger.info("created database %s with uid %s", request["name"], current["uid"])
            elif missing := changes(request, current):
                current = rest.change_database(current["uid"], missing)
                logger.info("changed %s of database %s", ", ".join(sorted(missing)), request["name"])
        except RequestRefusedError as error:
            self._patch_status(DATABASES, database, refused_status(database, cluster_called, str(error), current))
            return SETTLED
        rigger = cluster["spec"].get("servicesRiggerSpec") or {}
        self._ensure_services(database, database_services(database, cluster_called, current["port"], rigger))
        self._ensure_secret_values(database, secret_values(database, current["port"], rigger))
        status = served_status(database, cluster_called, current)
        self._patch_status(DATABASES, database, status)
        return SETTLED if status["status"] == "active" else Again(0.5)

    def _delete_database(self, database: Manifest, cluster: Manifest | None) -> Again | None:
        if DATABASE_FINALIZER not in (database["metadata"].get("finalizers") or []):
            return GONE
        if cluster is not None and (database.get("status") or {}).get("databaseUID"):
            try:
                rest = self._cluster_api(cluster)
                current = _found(database, rest.databases())
                if current:
                    rest.delete_database(current["uid"])
            except (ClusterUnreachableError, RequestRefusedError) as error:
                self._patch_status(DATABASES, database, {"status": "delete-pending", "lastActionStatus": str(error)})
                return SOON
        self._set_finalizer(DATABASES, database, DATABASE_FINALIZER, wanted=False)
        return GONE

    def _ensure_password(self, database: Manifest) -> str:
        namespace, name = database["metadata"]["namespace"], secret_name(database)
        secret = self._api.read(SECRETS, namespace, name)
        if secret is None:
            password = new_password()
            if self._api.create(_secret(name, database, {"password": password})):
                return password
            secret = self._api.read(SECRETS, namespace, name) or {}
        values = decoded(secret)
        if "password" not in values:
            values["password"] = new_password()
            self._api.patch(SECRETS, namespace, name, {"data": encoded({"password": values["password"]})})
        return values["password"]

    def _ensure_secret_values(self, database: Manifest, values: dict[str, str]) -> None:
        namespace, name = database["metadata"]["namespace"], secret_name(database)
        secret = self._api.read(SECRETS, namespace, name)
        if secret and changes(values, decoded(secret)):
            self._api.patch(SECRETS, namespace, name, {"data": encoded(values)})

    def _ensure_services(self, database: Manifest, services: list[Manifest]) -> None:
        for service in services:
            self._api.apply(service)
        wanted = {service["metadata"]["name"] for service in services}
        uid = database["metadata"]["uid"]
        labels = {"redis.io/bdb": database["metadata"]["name"]}
        for service in self._api.find(SERVICES, database["metadata"]["namespace"], labels):
            owners = {owner["uid"] for owner in service["metadata"].get("ownerReferences") or []}
            if service["metadata"]["name"] not in wanted and uid in owners:
                self._api.delete(SERVICES, service["metadata"]["namespace"], service["metadata"]["name"])

    # --- both

    def _databases_of(self, namespace: str, cluster: str) -> list[Manifest]:
        return [
            database
            for database in self._api.find(DATABASES, namespace)
            if cluster_name(database, [cluster]) == cluster
            and (
                not database["metadata"].get("deletionTimestamp")
                or DATABASE_FINALIZER in (database["metadata"].get("finalizers") or [])
            )
        ]

    def _set_finalizer(self, kind: ResourceKind, resource: Manifest, finalizer: str, *, wanted: bool) -> None:
        metadata = resource["metadata"]
        finalizers = list(metadata.get("finalizers") or [])
        if wanted == (finalizer in finalizers) or (wanted and metadata.get("deletionTimestamp")):
            return
        finalizers = [*finalizers, finalizer] if wanted else [entry for entry in finalizers if entry != finalizer]
        # The version makes the call fail when someone else changed the list meanwhile; the next run sees the new one.
        change = {"metadata": {"finalizers": finalizers, "resourceVersion": metadata["resourceVersion"]}}
        self._api.patch(kind, metadata["namespace"], metadata["name"], change)

    def _patch_status(self, kind: ResourceKind, resource: Manifest, status: Manifest) -> None:
        current = resource.get("status") or {}
        change = changes(status, current)
        if change:
            for key, value in change.items():
                if isinstance(value, dict):
                    # A merge patch keeps what it does not mention.
                    change[key] = {**dict.fromkeys(current.get(key) or {}), **value}
            metadata = resource["metadata"]
            self._api.patch_status(kind, metadata["namespace"], metadata["name"], change)
            resource["status"] = {**current, **status}


def _found(database: Manifest, databases: list[Manifest]) -> Manifest | None:
    """The database of this resource: by its UID, or by its name when the operator died before it noted the UID."""
    uid = (database.get("status") or {}).get("databaseUID")
    for candidate in databases:
        if str(candidate["uid"]) == uid and candidate["name"] == database["metadata"]["name"]:
            return candidate
    return next((candidate for candidate in databases if candidate["name"] == database["metadata"]["name"]), None)


def _secret(name: str, owner: Manifest, values: dict[str, str]) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {"app": "redis-enterprise"},
            "ownerReferences": [owner_reference(owner)],
        },
        "type": "Opaque",
        "data": encoded(values),
    }
