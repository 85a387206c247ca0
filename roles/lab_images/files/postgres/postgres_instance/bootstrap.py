# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The first data of a cluster: a data directory that appears complete or not at all. Patroni copies it to the others."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg import sql

from postgres_instance.configuration import (
    OPERATOR_ROLE,
    REPLICATION_ROLE,
    Initdb,
    InstanceConfiguration,
    Places,
)

logger = logging.getLogger(__name__)

#: What pg_rewind calls on the server that it copies from (https://www.postgresql.org/docs/17/app-pgrewind.html).
REWIND_FUNCTIONS = (
    "pg_ls_dir(text, boolean, boolean)",
    "pg_stat_file(text, boolean)",
    "pg_read_binary_file(text)",
    "pg_read_binary_file(text, bigint, bigint, boolean)",
)

#: Runs a command to its end; raises when it fails or when the pod is being stopped.
Run = Callable[[list[str]], None]


class BootstrapError(Exception):
    """The first data cannot be made; the message says why."""


def bootstrap(configuration: InstanceConfiguration, places: Places, run: Run) -> None:
    """Make the data directory unless it is there. What an interrupted attempt left is removed first."""
    if places.has_data:
        return
    unfinished = places.unfinished_data
    shutil.rmtree(unfinished, ignore_errors=True)
    if places.wal:
        shutil.rmtree(places.wal, ignore_errors=True)
    logger.info("making the data directory %s", places.data)
    run(initdb_command(configuration.initdb, unfinished, places.wal))
    with tempfile.TemporaryDirectory() as sockets:
        # Nobody but this process reaches the server before it is complete.
        options = f"-c listen_addresses='' -c unix_socket_directories='{sockets}'"
        run(["pg_ctl", "--silent", "--wait", f"--pgdata={unfinished}", f"--options={options}", "start"])
        try:
            _run_first_statements(configuration.initdb, sockets)
        except psycopg.Error as error:
            words = "; ".join(str(error).split("\n")).strip("; ")
            raise BootstrapError(f"initialising the database failed: {words}") from error
        finally:
            run(["pg_ctl", "--silent", "--wait", "--mode=fast", f"--pgdata={unfinished}", "stop"])
    places.empty_archive_check.touch()
    os.replace(unfinished, places.data)
    logger.info("the data directory is complete")


def initdb_command(settings: Initdb, directory: Path, wal: Path | None) -> list[str]:
    """The initdb command that makes this data directory."""
    command = [
        "initdb",
        f"--pgdata={directory}",
        "--username=postgres",
        "--auth-local=peer",
        "--auth-host=scram-sha-256",
        f"--encoding={settings.encoding}",
        f"--locale={settings.locale}",
    ]
    if settings.data_checksums:
        command.append("--data-checksums")
    if settings.wal_segment_size:
        command.append(f"--wal-segsize={settings.wal_segment_size}")
    if wal:
        command.append(f"--waldir={wal}")
    return command + settings.options


def first_roles(owner: str) -> list[sql.Composed]:
    """The roles that every cluster has, and the owner of its first database."""
    roles = [
        sql.SQL("CREATE ROLE {} LOGIN SUPERUSER").format(sql.Identifier(OPERATOR_ROLE)),
        sql.SQL("CREATE ROLE {} LOGIN REPLICATION").format(sql.Identifier(REPLICATION_ROLE)),
    ]
    roles += [
        sql.SQL("GRANT EXECUTE ON FUNCTION pg_catalog.{} TO {}").format(
            sql.SQL(function), sql.Identifier(REPLICATION_ROLE)
        )
        for function in REWIND_FUNCTIONS
    ]
    if owner != "postgres":
        roles.append(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(owner)))
    return roles


def _run_first_statements(settings: Initdb, sockets: str) -> None:
    def execute(database: str, statements: list[sql.Composed] | list[str]) -> None:
        if not statements:
            return
        with psycopg.connect(host=sockets, user="postgres", dbname=database, autocommit=True) as connection:
            for statement in statements:
                # The cluster's own statements are SQL text by definition of the field they come from.
                connection.execute(statement if isinstance(statement, sql.Composed) else statement.encode())

    execute("postgres", first_roles(settings.owner))
    execute("template1", settings.post_init_template_sql)
    execute("postgres", settings.post_init_sql)
    if settings.database != "postgres":
        create = sql.SQL("CREATE DATABASE {} OWNER {}").format(
            sql.Identifier(settings.database), sql.Identifier(settings.owner)
        )
        execute("postgres", [create])
    execute(settings.database, settings.post_init_application_sql)


def remove_unfinished_copy(places: Places) -> None:
    """A pod that was killed while it copied the primary's data begins anew: the control file comes last."""
    if places.data.exists() and not (places.data / "global" / "pg_control").exists():
        logger.info("removing an unfinished copy from %s", places.data)
        shutil.rmtree(places.data)
        if places.wal:
            shutil.rmtree(places.wal, ignore_errors=True)


def remove_stale_locks(places: Places) -> None:
    """What a killed container or pod leaves; in the next one the number in it may belong to any process."""
    (places.data / "postmaster.pid").unlink(missing_ok=True)
    for lock in places.sockets.glob(".s.PGSQL.*"):
        lock.unlink()


def failed_command(error: subprocess.CalledProcessError) -> str:
    """One sentence about a command that failed, with its last words."""
    words = [line for line in str(error.output or "").splitlines() if line.strip()][-5:]
    return f"{error.cmd[0]} ended with code {error.returncode}: {' | '.join(words)}"
