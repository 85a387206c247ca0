# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases: what has to be said to PostgreSQL so that a database is what a Database resource wants."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, LiteralString

from psycopg import sql

CURRENT_DATABASE = """
SELECT datname, pg_get_userbyid(datdba) AS owner, datallowconn, datconnlimit, datistemplate, spcname AS tablespace
FROM pg_database JOIN pg_tablespace ON pg_tablespace.oid = dattablespace WHERE datname = %s
"""
CURRENT_EXTENSIONS = """
SELECT extname AS name, extversion AS version, nspname AS schema
FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
"""
CURRENT_SCHEMAS = "SELECT nspname AS name, pg_get_userbyid(nspowner) AS owner FROM pg_namespace"

#: Settled when the database is made. Field of the resource, option of CREATE DATABASE.
TEXT_OPTIONS: tuple[tuple[str, LiteralString], ...] = (
    ("encoding", "ENCODING"),
    ("locale", "LOCALE"),
    ("localeCollate", "LC_COLLATE"),
    ("localeCType", "LC_CTYPE"),
    ("localeProvider", "LOCALE_PROVIDER"),
    ("icuLocale", "ICU_LOCALE"),
    ("icuRules", "ICU_RULES"),
    ("builtinLocale", "BUILTIN_LOCALE"),
    ("collationVersion", "COLLATION_VERSION"),
)

Row = Mapping[str, Any]


def database_statements(wanted: Row, current: Row | None) -> list[sql.Composed]:
    """The statements (outside a transaction) that make the database what is wanted, none when it is that already."""
    name = sql.Identifier(wanted["name"])
    if wanted.get("ensure", "present") == "absent":
        return [] if current is None else [drop_database(wanted["name"])]
    if current is None:
        return [_create(name, wanted)]
    statements = []
    if wanted["owner"] != current["owner"]:
        statements.append(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(name, sql.Identifier(wanted["owner"])))
    settings: tuple[tuple[str, str, LiteralString], ...] = (
        ("allowConnections", "datallowconn", "ALLOW_CONNECTIONS"),
        ("connectionLimit", "datconnlimit", "CONNECTION LIMIT"),
        ("isTemplate", "datistemplate", "IS_TEMPLATE"),
    )
    for field, column, option in settings:
        value = wanted.get(field)
        if value is not None and value != current[column]:
            alter = sql.SQL("ALTER DATABASE {} WITH {} {}")
            statements.append(alter.format(name, sql.SQL(option), sql.Literal(value)))
    tablespace = wanted.get("tablespace")
    if tablespace and tablespace != current["tablespace"]:
        alter = sql.SQL("ALTER DATABASE {} SET TABLESPACE {}")
        statements.append(alter.format(name, sql.Identifier(tablespace)))
    return statements


def drop_database(name: str) -> sql.Composed:
    """Sessions are cut off: whoever asks for the end of a database means it."""
    return sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))


def _create(name: sql.Identifier, wanted: Row) -> sql.Composed:
    options: list[sql.Composable] = [sql.SQL("OWNER {}").format(sql.Identifier(wanted["owner"]))]
    if wanted.get("template"):
        options.append(sql.SQL("TEMPLATE {}").format(sql.Identifier(wanted["template"])))
    for field, option in TEXT_OPTIONS:
        if wanted.get(field):
            options.append(sql.SQL("{} {}").format(sql.SQL(option), sql.Literal(wanted[field])))
    if wanted.get("tablespace"):
        options.append(sql.SQL("TABLESPACE {}").format(sql.Identifier(wanted["tablespace"])))
    if wanted.get("allowConnections") is not None:
        options.append(sql.SQL("ALLOW_CONNECTIONS {}").format(sql.Literal(wanted["allowConnections"])))
    if wanted.get("connectionLimit") is not None:
        options.append(sql.SQL("CONNECTION LIMIT {}").format(sql.Literal(wanted["connectionLimit"])))
    if wanted.get("isTemplate") is not None:
        options.append(sql.SQL("IS_TEMPLATE {}").format(sql.Literal(wanted["isTemplate"])))
    return sql.SQL("CREATE DATABASE {} {}").format(name, sql.SQL(" ").join(options))


def extension_statements(wanted: Row, current: Row | None) -> list[sql.Composed]:
    """The same for one extension, inside its database."""
    name = sql.Identifier(wanted["name"])
    if wanted.get("ensure", "present") == "absent":
        return [] if current is None else [sql.SQL("DROP EXTENSION IF EXISTS {}").format(name)]
    version, schema = wanted.get("version"), wanted.get("schema")
    if current is None:
        parts: list[sql.Composable] = [sql.SQL("CREATE EXTENSION {}").format(name)]
        if schema:
            parts.append(sql.SQL("SCHEMA {}").format(sql.Identifier(schema)))
        if version:
            parts.append(sql.SQL("VERSION {}").format(sql.Literal(version)))
        return [sql.SQL(" ").join(parts)]
    statements = []
    if version and version != current["version"]:
        statements.append(sql.SQL("ALTER EXTENSION {} UPDATE TO {}").format(name, sql.Literal(version)))
    if schema and schema != current["schema"]:
        statements.append(sql.SQL("ALTER EXTENSION {} SET SCHEMA {}").format(name, sql.Identifier(schema)))
    return statements


def schema_statements(wanted: Row, current: Row | None) -> list[sql.Composed]:
    """The same for one schema, inside its database."""
    name = sql.Identifier(wanted["name"])
    if wanted.get("ensure", "present") == "absent":
        return [] if current is None else [sql.SQL("DROP SCHEMA IF EXISTS {}").format(name)]
    owner = wanted.get("owner")
    if current is None:
        create = sql.SQL("CREATE SCHEMA {}").format(name)
        return [create + sql.SQL(" AUTHORIZATION {}").format(sql.Identifier(owner)) if owner else create]
    if owner and owner != current["owner"]:
        return [sql.SQL("ALTER SCHEMA {} OWNER TO {}").format(name, sql.Identifier(owner))]
    return []
