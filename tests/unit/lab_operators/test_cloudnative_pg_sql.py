# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The statements for roles, databases, extensions, schemas: as few as are needed, names and values always quoted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from lab_operators.cloudnative_pg_database_sql import (
    database_statements,
    drop_database,
    extension_statements,
    schema_statements,
)
from lab_operators.cloudnative_pg_roles import Password, role_statements
from psycopg import sql

EVIL = 'a"; DROP TABLE x; --'
QUOTED = '"a""; DROP TABLE x; --"'

ROLE = {
    "rolname": "user",
    "rolsuper": False,
    "rolcreatedb": False,
    "rolcreaterole": False,
    "rolinherit": True,
    "rolcanlogin": True,
    "rolreplication": False,
    "rolbypassrls": False,
    "rolconnlimit": -1,
    "valid_until": None,
    "has_password": True,
    "comment": "",
    "in_roles": [],
}
DATABASE = {
    "datname": "shop",
    "owner": "shop",
    "datallowconn": True,
    "datconnlimit": -1,
    "datistemplate": False,
    "tablespace": "pg_default",
}


def text(statements: list[sql.Composed]) -> list[str]:
    return [statement.as_string() for statement in statements]


def role(wanted: dict[str, Any], current: dict[str, Any] | None, password: Password | None = None) -> list[str]:
    return text(role_statements({"name": "user", **wanted}, current, password or Password()))


def test_a_new_role_gets_every_attribute() -> None:
    (statement,) = role({"login": True, "connectionLimit": 5}, None, Password(verifier="SCRAM-SHA-256$x'y"))
    assert statement.startswith('CREATE ROLE "user" NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT LOGIN')
    assert "CONNECTION LIMIT 5" in statement
    assert "PASSWORD 'SCRAM-SHA-256$x''y'" in statement


def test_a_role_that_is_right_needs_nothing() -> None:
    assert role({"login": True}, ROLE) == []


def test_only_what_differs_is_altered() -> None:
    assert role({"login": True, "createdb": True}, ROLE) == ['ALTER ROLE "user" CREATEDB']
    assert role({}, ROLE) == ['ALTER ROLE "user" NOLOGIN']
    assert role({"login": True, "connectionLimit": 3}, ROLE) == ['ALTER ROLE "user" CONNECTION LIMIT 3']


def test_password_of_a_role() -> None:
    assert role({"login": True}, ROLE, Password(verifier="v")) == ["ALTER ROLE \"user\" PASSWORD 'v'"]
    assert role({"login": True}, ROLE, Password(remove=True)) == ['ALTER ROLE "user" PASSWORD NULL']
    assert role({"login": True}, {**ROLE, "has_password": False}, Password(remove=True)) == []


def test_validity_of_a_role() -> None:
    wanted = {"login": True, "validUntil": "2027-01-01T00:00:00Z"}
    assert role(wanted, ROLE) == ["ALTER ROLE \"user\" VALID UNTIL '2027-01-01T00:00:00+00:00'"]
    current = {**ROLE, "valid_until": datetime(2027, 1, 1, tzinfo=UTC)}
    assert role(wanted, current) == []
    assert role({"login": True}, current) == ["ALTER ROLE \"user\" VALID UNTIL 'infinity'"]


def test_membership_and_comment_of_a_role() -> None:
    current = {**ROLE, "in_roles": ["old", "same"], "comment": "before"}
    assert role({"login": True, "inRoles": ["same", EVIL]}, current) == [
        'COMMENT ON ROLE "user" IS NULL',
        f'GRANT {QUOTED} TO "user"',
        'REVOKE "old" FROM "user"',
    ]
    assert role({"login": True, "comment": "it's"}, ROLE) == ["COMMENT ON ROLE \"user\" IS 'it''s'"]


def test_a_role_that_should_not_be() -> None:
    assert role({"ensure": "absent"}, ROLE) == ['DROP ROLE "user"']
    assert role({"ensure": "absent"}, None) == []


def database(wanted: dict[str, Any], current: dict[str, Any] | None) -> list[str]:
    return text(database_statements({"name": "shop", "owner": "shop", **wanted}, current))


def test_a_new_database() -> None:
    assert database({}, None) == ['CREATE DATABASE "shop" OWNER "shop"']
    wanted = {
        "template": "template0",
        "encoding": "UTF8",
        "localeProvider": "icu",
        "icuLocale": "en",
        "connectionLimit": 9,
    }
    assert database(wanted, None) == [
        'CREATE DATABASE "shop" OWNER "shop" TEMPLATE "template0" ENCODING \'UTF8\' LOCALE_PROVIDER \'icu\' '
        "ICU_LOCALE 'en' CONNECTION LIMIT 9"
    ]


def test_a_database_that_is_right_needs_nothing() -> None:
    assert database({"allowConnections": True, "connectionLimit": -1, "tablespace": "pg_default"}, DATABASE) == []


def test_a_database_that_differs() -> None:
    assert database({"owner": EVIL, "allowConnections": False}, DATABASE) == [
        f'ALTER DATABASE "shop" OWNER TO {QUOTED}',
        'ALTER DATABASE "shop" WITH ALLOW_CONNECTIONS false',
    ]


def test_a_database_that_should_not_be() -> None:
    assert database({"ensure": "absent"}, None) == []
    assert database({"ensure": "absent"}, DATABASE) == ['DROP DATABASE IF EXISTS "shop" WITH (FORCE)']
    assert drop_database(EVIL).as_string() == f"DROP DATABASE IF EXISTS {QUOTED} WITH (FORCE)"


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ({}, None, ['CREATE EXTENSION "vector"']),
        ({"schema": "s", "version": "0.8"}, None, ['CREATE EXTENSION "vector" SCHEMA "s" VERSION \'0.8\'']),
        ({}, {"version": "0.7", "schema": "public"}, []),
        ({"version": "0.8"}, {"version": "0.7", "schema": "s"}, ["ALTER EXTENSION \"vector\" UPDATE TO '0.8'"]),
        ({"schema": "s"}, {"version": "0.7", "schema": "p"}, ['ALTER EXTENSION "vector" SET SCHEMA "s"']),
        ({"ensure": "absent"}, {"version": "0.7", "schema": "p"}, ['DROP EXTENSION IF EXISTS "vector"']),
        ({"ensure": "absent"}, None, []),
    ],
)
def test_extensions(wanted: dict[str, Any], current: dict[str, Any] | None, expected: list[str]) -> None:
    assert text(extension_statements({"name": "vector", **wanted}, current)) == expected


@pytest.mark.parametrize(
    ("wanted", "current", "expected"),
    [
        ({}, None, ['CREATE SCHEMA "s"']),
        ({"owner": "o"}, None, ['CREATE SCHEMA "s" AUTHORIZATION "o"']),
        ({"owner": "o"}, {"owner": "p"}, ['ALTER SCHEMA "s" OWNER TO "o"']),
        ({"owner": "o"}, {"owner": "o"}, []),
        ({"ensure": "absent"}, {"owner": "o"}, ['DROP SCHEMA IF EXISTS "s"']),
    ],
)
def test_schemas(wanted: dict[str, Any], current: dict[str, Any] | None, expected: list[str]) -> None:
    assert text(schema_statements({"name": "s", **wanted}, current)) == expected
