# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reconciliation of Database and DatabaseRole resources in the server of their Cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import psycopg

from lab_operators.certificates import KeyPair
from lab_operators.cloudnative_pg_database_sql import (
    CURRENT_DATABASE,
    CURRENT_EXTENSIONS,
    CURRENT_SCHEMAS,
    database_statements,
    drop_database,
    extension_statements,
    schema_statements,
)
from lab_operators.cloudnative_pg_instance import CredentialStore, Instance, InstanceUnreachableError
from lab_operators.cloudnative_pg_resources import CLUSTERS, DATABASE_ROLES, DATABASES
from lab_operators.cloudnative_pg_role_sync import PasswordSecretError, RoleSync
from lab_operators.cloudnative_pg_status import changed, is_ready, one_line
from lab_operators.kubernetes_api import PODS, SECRETS, KubernetesApi, Manifest, ResourceKind
from lab_operators.reconciler import GONE, Again
from lab_operators.secret_data import decoded

logger = logging.getLogger(__name__)

DATABASE_FINALIZER = "cnpg.io/deleteDatabase"
ROLE_FINALIZER = "cnpg.io/deleteDatabaseRole"
RESYNC = Again(60)
RETRY = Again(5)


class NotAppliedError(Exception):
    """The resource cannot be applied (now); the message goes into its status."""


class ClusterAccess:
    """Finds the way from a resource to the server of its Cluster."""

    def __init__(self, api: KubernetesApi, credentials: CredentialStore) -> None:
        self.api = api
        self._credentials = credentials

    def cluster(self, resource: Manifest) -> Manifest | None:
        return self.api.read(CLUSTERS, resource["metadata"]["namespace"], resource["spec"]["cluster"]["name"])

    def instance(self, resource: Manifest, instance: str = "") -> Instance:
        """The named instance of the Cluster, or its primary."""
        namespace, name = resource["metadata"]["namespace"], resource["spec"]["cluster"]["name"]
        cluster = self.cluster(resource)
        if cluster is None:
            raise NotAppliedError(f'cluster "{name}" not found')
        status = cluster.get("status") or {}
        chosen = instance or status.get("currentPrimary") or ""
        pod = self.api.read(PODS, namespace, chosen) if chosen else None
        authority = decoded(self.api.read(SECRETS, namespace, f"{name}-ca") or {})
        if pod is None or not is_ready(pod) or not authority:
            raise NotAppliedError(f'waiting for {instance or "the primary"} of cluster "{name}"')
        pair = KeyPair(authority["ca.crt"], authority["ca.key"])
        return Instance(pod["status"]["podIP"], self._credentials.for_authority(pair))


class _Reconciler:
    """What both kinds have in common: finalizer, reclaim policy, status."""

    kind: ResourceKind
    finalizer: str
    policy: str

    def __init__(self, access: ClusterAccess) -> None:
        self._access = access
        self._api = access.api

    def reconcile(self, namespace: str, name: str) -> Again | None:
        """What the operator does whenever something about the resource may have changed."""
        resource = self._api.read(self.kind, namespace, name)
        if resource is None:
            return GONE
        if resource["metadata"].get("deletionTimestamp"):
            return self._delete(resource)
        self._keep_finalizer(resource)
        details: Manifest = {}
        try:
            self._refuse_second_owner(resource)
            details = self._apply(resource, self._access.instance(resource))
        except (NotAppliedError, InstanceUnreachableError, PasswordSecretError, psycopg.Error) as error:
            self._patch_status(resource, {"applied": False, "message": one_line(error), **details})
            return RETRY
        failed = [
            f"{kind} {item['name']}: {item['message']}"
            for kind, items in details.items()
            if isinstance(items, list)
            for item in items
            if not item["applied"]
        ]
        if failed:
            self._patch_status(resource, {"applied": False, "message": "; ".join(failed), **details})
            return RETRY
        generation = resource["metadata"]["generation"]
        self._patch_status(resource, {"applied": True, "message": None, "observedGeneration": generation, **details})
        return RESYNC

    def _apply(self, resource: Manifest, instance: Instance) -> Manifest:
        """Bring it about; further fields of the status."""
        raise NotImplementedError

    def _remove(self, resource: Manifest, instance: Instance) -> None:
        raise NotImplementedError

    def _keep_finalizer(self, resource: Manifest) -> None:
        """Only who asks for deletion waits for it: with `retain` the resource simply goes."""
        current = resource["metadata"].get("finalizers") or []
        others = [finalizer for finalizer in current if finalizer != self.finalizer]
        wanted = [*others, self.finalizer] if resource["spec"].get(self.policy) == "delete" else others
        if wanted != current and set(wanted) != set(current):
            self._set_finalizers(resource, wanted)

    def _delete(self, resource: Manifest) -> Again | None:
        current = resource["metadata"].get("finalizers") or []
        if self.finalizer not in current:
            return RETRY
        cluster = self._access.cluster(resource)
        if cluster is not None and not cluster["metadata"].get("deletionTimestamp"):
            try:
                self._remove(resource, self._access.instance(resource))
            except (NotAppliedError, InstanceUnreachableError, psycopg.Error) as error:
                self._patch_status(resource, {"applied": False, "message": one_line(error)})
                return RETRY
        self._set_finalizers(resource, [finalizer for finalizer in current if finalizer != self.finalizer])
        return GONE

    def _refuse_second_owner(self, resource: Manifest) -> None:
        """Two resources for one thing would undo each other's work: the older one has it."""
        spec, metadata = resource["spec"], resource["metadata"]
        age = (metadata["creationTimestamp"], metadata["name"])
        for other in self._api.find(self.kind, metadata["namespace"]):
            same = (other["spec"]["cluster"], other["spec"]["name"]) == (spec["cluster"], spec["name"])
            if same and (other["metadata"]["creationTimestamp"], other["metadata"]["name"]) < age:
                what = f'{self.kind.kind.lower()} "{spec["name"]}"'
                raise NotAppliedError(f'{what} is already managed by object "{other["metadata"]["name"]}"')

    def _set_finalizers(self, resource: Manifest, finalizers: list[str]) -> None:
        change = {"metadata": {"finalizers": finalizers, "resourceVersion": resource["metadata"]["resourceVersion"]}}
        patched = self._api.patch(self.kind, resource["metadata"]["namespace"], resource["metadata"]["name"], change)
        if patched:
            resource["metadata"] = patched["metadata"]

    def _patch_status(self, resource: Manifest, status: Manifest) -> None:
        if changed(resource.get("status") or {}, status):
            metadata = resource["metadata"]
            self._api.patch_status(self.kind, metadata["namespace"], metadata["name"], status)
            if not status["applied"]:
                where = f"{metadata['namespace']}/{metadata['name']}"
                logger.info("%s %s: %s", self.kind.kind.lower(), where, status["message"])


class DatabaseReconciler(_Reconciler):
    """Databases with their schemas and extensions."""

    kind = DATABASES
    finalizer = DATABASE_FINALIZER
    policy = "databaseReclaimPolicy"

    def _apply(self, resource: Manifest, instance: Instance) -> Manifest:
        spec = resource["spec"]
        if spec.get("fdws") or spec.get("servers"):
            raise NotAppliedError("foreign data wrappers and servers are beyond the lab's stand-in")
        with instance.connect() as connection:
            current = connection.execute(CURRENT_DATABASE, [spec["name"]]).fetchone()
            for statement in database_statements(spec, current):
                connection.execute(statement)
        details: Manifest = {"schemas": None, "extensions": None}
        if spec.get("ensure", "present") == "absent" or not (spec.get("schemas") or spec.get("extensions")):
            return details
        with instance.connect(spec["name"]) as connection:
            # Schemas first: an extension may want to live in one of them.
            for kind, query, statements in (
                ("schemas", CURRENT_SCHEMAS, schema_statements),
                ("extensions", CURRENT_EXTENSIONS, extension_statements),
            ):
                if spec.get(kind):
                    details[kind] = _applied_items(connection, spec[kind], query, statements)
        return details

    def _remove(self, resource: Manifest, instance: Instance) -> None:
        if resource["spec"].get(self.policy) == "delete" and resource["spec"].get("ensure", "present") == "present":
            with instance.connect() as connection:
                connection.execute(drop_database(resource["spec"]["name"]))


def _applied_items(
    connection: psycopg.Connection[dict[str, Any]],
    wanted: list[Manifest],
    query: str,
    statements: Callable[[Manifest, Manifest | None], list[psycopg.sql.Composed]],
) -> list[Manifest]:
    """Each item on its own: one that fails does not keep back the others."""
    current = {row["name"]: row for row in connection.execute(query.encode()).fetchall()}
    results: list[Manifest] = []
    for item in wanted:
        try:
            for statement in statements(item, current.get(item["name"])):
                connection.execute(statement)
        except psycopg.Error as error:
            results.append({"name": item["name"], "applied": False, "message": one_line(error)})
        else:
            results.append({"name": item["name"], "applied": True})
    return results


class DatabaseRoleReconciler(_Reconciler):
    """Roles as resources of their own."""

    kind = DATABASE_ROLES
    finalizer = ROLE_FINALIZER
    policy = "databaseRoleReclaimPolicy"

    def _apply(self, resource: Manifest, instance: Instance) -> Manifest:
        spec = resource["spec"]
        cluster = self._access.cluster(resource) or {}
        managed = ((cluster.get("spec") or {}).get("managed") or {}).get("roles") or []
        if spec["name"] in [role["name"] for role in managed]:
            raise NotAppliedError(f'role "{spec["name"]}" is already managed by the cluster')
        known = (resource.get("status") or {}).get("secretResourceVersion", "")
        with instance.connect() as connection:
            version = RoleSync(self._api, connection, resource["metadata"]["namespace"]).apply(spec, known)
        return {"secretResourceVersion": version or None}

    def _remove(self, resource: Manifest, instance: Instance) -> None:
        if resource["spec"].get(self.policy) == "delete":
            with instance.connect() as connection:
                RoleSync(self._api, connection, resource["metadata"]["namespace"]).apply(
                    {"name": resource["spec"]["name"], "ensure": "absent"}, ""
                )
