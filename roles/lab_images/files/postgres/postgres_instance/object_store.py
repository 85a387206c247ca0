# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where backups and the write-ahead log go: Barman's cloud tools, and what they need to know of one server's place in an object store.

The vendor's plugin runs the same tools (https://docs.pgbarman.org/release/3.13.0/user_guide/barman_cloud.html).
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

#: File of the credentials' folder: variable of the tools.
CREDENTIALS = {
    "access-key-id": "AWS_ACCESS_KEY_ID",
    "secret-access-key": "AWS_SECRET_ACCESS_KEY",
    "session-token": "AWS_SESSION_TOKEN",
    "region": "AWS_DEFAULT_REGION",
}
AUTHORITY = "ca.crt"


class ObjectStoreError(Exception):
    """A tool failed; the message says which, and its last words."""


@dataclass(frozen=True)
class ObjectStore:
    """One server's place in an object store."""

    destination: str
    server: str
    endpoint: str = ""
    wal_compression: str = ""
    data_compression: str = ""
    jobs: int = 2
    immediate_checkpoint: bool = True
    #: As barman-cloud-backup-delete wants it, RECOVERY WINDOW OF 30 DAYS; empty: nothing is ever deleted.
    retention: str = ""

    @classmethod
    def parse(cls, document: Mapping[str, Any] | None) -> ObjectStore | None:
        return cls(**document) if document else None

    def as_document(self) -> dict[str, Any]:
        return asdict(self)

    def archive_wal(self, path: str) -> list[str]:
        return self._command("wal-archive", _compression(self.wal_compression), [path])

    def restore_wal(self, name: str, path: str) -> list[str]:
        return self._command("wal-restore", [], [name, path])

    def check_empty(self) -> list[str]:
        """Fails when there is write-ahead log of this server: another cluster's, or of an earlier life of this one."""
        return self._command("check-wal-archive", [], [])

    def back_up(self, name: str, sockets: Path) -> list[str]:
        options = [*_compression(self.data_compression), "--jobs", str(self.jobs), "--name", name]
        if self.immediate_checkpoint:
            options.append("--immediate-checkpoint")
        return self._command("backup", [*options, "--host", str(sockets), "--user", "postgres"], [])

    def list_backups(self) -> list[str]:
        return self._command("backup-list", ["--format", "json"], [])

    def delete_obsolete(self) -> list[str]:
        return self._command("backup-delete", ["--retention-policy", self.retention], [])

    def restore(self, backup: str, directory: Path) -> list[str]:
        """Copies one base backup."""
        return self._command("restore", [], [backup, str(directory)])

    def _command(self, tool: str, options: list[str], arguments: list[str]) -> list[str]:
        endpoint = ["--endpoint-url", self.endpoint] if self.endpoint else []
        place = [self.destination, self.server]
        return [f"barman-cloud-{tool}", "--cloud-provider", "aws-s3", *endpoint, *options, *place, *arguments]


def _compression(name: str) -> list[str]:
    return [f"--{name}"] if name else []


def environment(credentials: Path, base: Mapping[str, str]) -> dict[str, str]:
    """The variables of a tool; what is secret is in no argument, hence in no list of processes."""
    result = dict(base)
    for file, variable in CREDENTIALS.items():
        path = credentials / file
        if path.exists():
            result[variable] = path.read_text(encoding="utf-8").strip()
    authority = credentials / AUTHORITY
    if authority.exists():
        result["AWS_CA_BUNDLE"] = str(authority)
    return result


def run_tool(command: list[str], credentials: Path) -> str:
    """Run one of the tools to its end; what it printed. ObjectStoreError says why it failed."""
    finished = subprocess.run(
        command, env=environment(credentials, os.environ), capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise ObjectStoreError(f"{command[0]}: {last_words(finished.stderr) or f'code {finished.returncode}'}")
    return finished.stdout


def last_words(output: str) -> str:
    """The last line that says something, without the time and the level in front."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line] or lines
    return errors[-1].rpartition("ERROR:")[2].strip() if errors else ""


def backups_of(listing: str) -> list[dict[str, Any]]:
    """The completed backups of a list in JSON, the oldest first."""
    backups: list[dict[str, Any]] = json.loads(listing)["backups_list"]
    return sorted((one for one in backups if one["status"] == "DONE"), key=lambda one: one["end_time_iso"])
