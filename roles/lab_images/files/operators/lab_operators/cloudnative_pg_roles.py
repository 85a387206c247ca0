# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roles: what has to be said to PostgreSQL so that a role is what managed.roles or a DatabaseRole wants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import sql

#: Attribute in the resource, column of pg_roles, keyword. The default is the field's in the API.
ATTRIBUTES = (
    ("superuser", "rolsuper", "SUPERUSER", False),
    ("createdb", "rolcreatedb", "CREATEDB", False),
    ("createrole", "rolcreaterole", "CREATEROLE", False),
    ("inherit", "rolinherit", "INHERIT", True),
    ("login", "rolcanlogin", "LOGIN", False),
    ("replication", "rolreplication", "REPLICATION", False),
    ("bypassrls", "rolbypassrls", "BYPASSRLS", False),
)

CURRENT_ROLE = """
SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolcanlogin, rolreplication, rolbypassrls, rolconnlimit,
       CASE WHEN rolvaliduntil = 'infinity' THEN NULL ELSE rolvaliduntil END AS valid_until,
       rolpassword IS NOT NULL AS has_password,
       coalesce(shobj_description(oid, 'pg_authid'), '') AS comment,
       ARRAY(SELECT granted.rolname::text FROM pg_auth_members AS member
             JOIN pg_authid AS granted ON granted.oid = member.roleid
             WHERE member.member = pg_authid.oid ORDER BY 1) AS in_roles
FROM pg_authid WHERE rolname = %s
"""

ALL_ROLES = "SELECT rolname FROM pg_roles WHERE rolname NOT LIKE 'pg\\_%' ORDER BY 1"

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Password:
    """What is to become of the password: a verifier to set, or NULL, or (None of both) nothing."""

    verifier: str = ""
    remove: bool = False


def role_statements(wanted: Row, current: Row | None, password: Password) -> list[sql.Composed]:
    """The statements that make the role what is wanted, none when it is that already."""
    name = sql.Identifier(wanted["name"])
    if wanted.get("ensure", "present") == "absent":
        return [] if current is None else [sql.SQL("DROP ROLE {}").format(name)]
    options = _options(wanted, current)
    if password.verifier:
        options.append(sql.SQL("PASSWORD {}").format(sql.Literal(password.verifier)))
    elif password.remove and current and current["has_password"]:
        options.append(sql.SQL("PASSWORD NULL"))
    statements = []
    if current is None or options:
        verb = sql.SQL("CREATE") if current is None else sql.SQL("ALTER")
        statements.append(sql.SQL(" ").join([sql.SQL("{} ROLE {}").format(verb, name), *options]))
    comment = wanted.get("comment") or ""
    if comment != (current["comment"] if current else ""):
        statements.append(sql.SQL("COMMENT ON ROLE {} IS {}").format(name, sql.Literal(comment or None)))
    if wanted.get("inRoles") is not None:
        groups, granted = set(wanted["inRoles"]), set(current["in_roles"]) if current else set()
        statements += [_membership("GRANT {} TO {}", group, name) for group in sorted(groups - granted)]
        statements += [_membership("REVOKE {} FROM {}", group, name) for group in sorted(granted - groups)]
    return statements


def _options(wanted: Row, current: Row | None) -> list[sql.Composable]:
    options: list[sql.Composable] = []
    for attribute, column, keyword, default in ATTRIBUTES:
        value = bool(wanted.get(attribute, default))
        if current is None or bool(current[column]) != value:
            options.append(sql.SQL(("" if value else "NO") + keyword))
    limit = int(wanted.get("connectionLimit", -1))
    if limit != (current["rolconnlimit"] if current else -1):
        options.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(limit)))
    until = _time(wanted.get("validUntil"))
    if until != (current["valid_until"] if current else None):
        value_until = until.isoformat() if until else "infinity"
        options.append(sql.SQL("VALID UNTIL {}").format(sql.Literal(value_until)))
    return options


def _membership(statement: str, group: str, member: sql.Identifier) -> sql.Composed:
    return sql.SQL(statement).format(sql.Identifier(group), member)  # type: ignore[arg-type]


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
