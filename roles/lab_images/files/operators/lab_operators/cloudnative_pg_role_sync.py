# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles in a running server: the owner of the first database, the superuser, managed.roles, DatabaseRoles."""

from __future__ import annotations

from typing import Any

import psycopg

from lab_operators.cloudnative_pg_definition import RESERVED_ROLES, application_database, application_secret_name
from lab_operators.cloudnative_pg_roles import ALL_ROLES, CURRENT_ROLE, Password, Row, role_statements
from lab_operators.cloudnative_pg_status import RoleResults, one_line
from lab_operators.kubernetes_api import SECRETS, KubernetesApi, Manifest
from lab_operators.secret_data import decoded

SCRAM_PREFIX = "SCRAM-SHA-256$"


class PasswordSecretError(Exception):
    """The Secret with a role's password cannot be used; the message says why."""


class RoleSync:
    """Brings the roles of one server to what resources of one namespace want."""

    def __init__(self, api: KubernetesApi, connection: psycopg.Connection[dict[str, Any]], namespace: str) -> None:
        self._api = api
        self._connection = connection
        self._namespace = namespace

    def cluster_roles(self, cluster: Manifest) -> tuple[RoleResults, dict[str, str]]:
        """Reconcile every role that the Cluster speaks of; versions of the Secrets that were applied."""
        name, spec = cluster["metadata"]["name"], cluster["spec"]
        before = cluster.get("status") or {}
        results = RoleResults()
        managed = (spec.get("managed") or {}).get("roles") or []
        known = ((before.get("managedRolesStatus") or {}).get("passwordStatus")) or {}
        for role in _groups_first(managed):
            try:
                version = self.apply(role, (known.get(role["name"]) or {}).get("resourceVersion", ""))
            except (PasswordSecretError, psycopg.Error) as error:
                results.pending.append(role["name"])
                results.cannot_reconcile[role["name"]] = [one_line(error)]
            else:
                results.reconciled.append(role["name"])
                if version:
                    results.password_versions[role["name"]] = version
        managed_names = {role["name"] for role in managed}
        rows = self._connection.execute(ALL_ROLES).fetchall()
        results.not_managed = sorted({row["rolname"] for row in rows} - managed_names - set(RESERVED_ROLES))
        versions = self._own_passwords(name, spec, before.get("secretsResourceVersion") or {}, managed_names)
        return results, versions

    def _own_passwords(self, cluster: str, spec: Row, known: dict[str, str], managed: set[str]) -> dict[str, str]:
        _database, owner = application_database(spec)
        versions = {}
        if owner not in managed and owner != "postgres":
            secret = application_secret_name(cluster, spec)
            versions["applicationSecretVersion"] = self._set_password(
                owner, secret, known.get("applicationSecretVersion", "")
            )
        if spec.get("enableSuperuserAccess"):
            secret = (spec.get("superuserSecret") or {}).get("name") or f"{cluster}-superuser"
            versions["superuserSecretVersion"] = self._set_password(
                "postgres", secret, known.get("superuserSecretVersion", "")
            )
        else:
            row = self._connection.execute(CURRENT_ROLE, ["postgres"]).fetchone()
            if row and row["has_password"]:
                self._connection.execute("ALTER ROLE postgres PASSWORD NULL")
        return versions

    def _set_password(self, role: str, secret: str, known_version: str) -> str:
        """Only the password: what else the role may do is its owner's affair."""
        current = self._connection.execute(CURRENT_ROLE, [role]).fetchone()
        if current is None:
            return ""
        verifier, version = self._verifier(role, secret, known_version if current["has_password"] else "")
        if verifier:
            statement = psycopg.sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                psycopg.sql.Identifier(role), psycopg.sql.Literal(verifier)
            )
            self._connection.execute(statement)
        return version

    def apply(self, role: Row, known_version: str) -> str:
        """Make the role what is wanted; the version of the password Secret that is in force now."""
        current = self._connection.execute(CURRENT_ROLE, [role["name"]]).fetchone()
        password, version = Password(remove=bool(role.get("disablePassword"))), ""
        secret = (role.get("passwordSecret") or {}).get("name")
        if secret and role.get("ensure", "present") == "present":
            known = known_version if current and current["has_password"] else ""
            verifier, version = self._verifier(role["name"], secret, known)
            password = Password(verifier=verifier)
        with self._connection.transaction():
            for statement in role_statements(role, current, password):
                self._connection.execute(statement)
        return version

    def _verifier(self, role: str, secret_name: str, known_version: str) -> tuple[str, str]:
        """What PostgreSQL stores for the Secret's password, or nothing when that Secret was applied before."""
        secret = self._api.read(SECRETS, self._namespace, secret_name)
        if secret is None:
            raise PasswordSecretError(f"Secret {secret_name} does not exist")
        values = decoded(secret)
        if not values.get("password"):
            raise PasswordSecretError(f"Secret {secret_name} has no password")
        if values.get("username", role) != role:
            raise PasswordSecretError(f"Secret {secret_name} is for {values['username']}, not for {role}")
        version: str = secret["metadata"]["resourceVersion"]
        if version == known_version:
            return "", version
        password = values["password"]
        if password.startswith(SCRAM_PREFIX):
            return password, version
        # Hashed here: the password itself appears in no statement, hence in no log of the server.
        hashed = self._connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        return hashed.decode(), version


def _groups_first(roles: list[Row]) -> list[Row]:
    """A role that others are members of comes before them."""
    named = {role["name"]: role for role in roles}
    ordered: dict[str, Row] = {}

    def add(role: Row, below: tuple[str, ...]) -> None:
        for group in role.get("inRoles") or []:
            if group in named and group not in ordered and group not in below:
                add(named[group], (*below, role["name"]))
        ordered.setdefault(role["name"], role)

    for role in roles:
        add(role, ())
    return list(ordered.values())
