# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator's way into an instance: its status endpoint (8000) and SQL (5432).

Both are entered with a certificate of the cluster's authority that exists in this process only.
"""

from __future__ import annotations

import json
import os
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import urllib3
from psycopg.rows import dict_row

from lab_operators.certificates import KeyPair, new_client_certificate
from lab_operators.cloudnative_pg_manifests import POSTGRES_PORT, STATUS_PORT

OPERATOR_ROLE = "cnpg_operator"
CONNECT_TIMEOUT = 3
# A switchover is answered when it is done.
ANSWER_TIMEOUT = 30
STATEMENT_TIMEOUT_MS = 30_000


class InstanceUnreachableError(Exception):
    """The instance does not answer (yet)."""


@dataclass(frozen=True)
class Credentials:
    """Files that prove who the operator is to one cluster's instances."""

    directory: Path

    @property
    def authority(self) -> str:
        return str(self.directory / "ca.crt")

    @property
    def certificate(self) -> str:
        return str(self.directory / "client.crt")

    @property
    def key(self) -> str:
        return str(self.directory / "client.key")


class CredentialStore:
    """One set of files for each authority, made when it is first needed."""

    def __init__(self) -> None:
        self._root = Path(tempfile.mkdtemp(prefix="cloudnative-pg-"))
        self._lock = threading.Lock()
        self._known: dict[str, Credentials] = {}

    def for_authority(self, authority: KeyPair) -> Credentials:
        with self._lock:
            known = self._known.get(authority.certificate)
            if known:
                return known
            credentials = Credentials(Path(tempfile.mkdtemp(dir=self._root)))
            pair = new_client_certificate(authority, OPERATOR_ROLE)
            for path, content in {
                credentials.authority: authority.certificate,
                credentials.certificate: pair.certificate,
                credentials.key: pair.key,
            }.items():
                # libpq refuses a key that others can read.
                with open(path, "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                    file.write(content)
            self._known[authority.certificate] = credentials
            return credentials


class Instance:
    """One instance, at its pod's address. The certificate is checked against the authority, not against the address."""

    def __init__(self, address: str, credentials: Credentials) -> None:
        self._address = address
        self._credentials = credentials

    def status(self) -> dict[str, Any]:
        return self._request("GET", "/pg/status")

    def reconfigure(self, configuration: str) -> dict[str, Any]:
        return self._request("PUT", "/pg/configuration", configuration)

    def switch_over(self, primary: str) -> None:
        """Let a standby take the primary's place; Patroni chooses one that has everything."""
        self._raw("POST", "/switchover", json.dumps({"leader": primary}))

    def back_up(self, name: str) -> dict[str, Any]:
        """Have the instance make a base backup of this name; how it stands."""
        return self._request("POST", f"/pg/backups/{name}", "")

    def backup(self, name: str) -> dict[str, Any]:
        """How the backup of this name stands."""
        return self._request("GET", f"/pg/backups/{name}")

    def connect(self, database: str = "postgres") -> psycopg.Connection[dict[str, Any]]:
        """A session as the operator's superuser."""
        try:
            return psycopg.connect(
                host=self._address,
                port=POSTGRES_PORT,
                user=OPERATOR_ROLE,
                dbname=database,
                sslmode="verify-ca",
                sslrootcert=self._credentials.authority,
                sslcert=self._credentials.certificate,
                sslkey=self._credentials.key,
                connect_timeout=CONNECT_TIMEOUT,
                # What a failover takes back is made again: the operator need not wait for standbys, which may need its work.
                options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout=10s -c synchronous_commit=local",
                application_name="cloudnative-pg",
                autocommit=True,
                row_factory=dict_row,
            )
        except psycopg.OperationalError as error:
            raise InstanceUnreachableError(str(error).strip()) from error

    def _request(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        try:
            answer: dict[str, Any] = json.loads(self._raw(method, path, body))
        except ValueError as error:
            raise InstanceUnreachableError(f"{method} {path}: the answer is no JSON") from error
        return answer

    def _raw(self, method: str, path: str, body: str | None = None) -> bytes:
        url = f"https://{self._address}:{STATUS_PORT}{path}"
        with urllib3.PoolManager(
            ca_certs=self._credentials.authority,
            cert_file=self._credentials.certificate,
            key_file=self._credentials.key,
            assert_hostname=False,
            retries=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=ANSWER_TIMEOUT),
        ) as pool:
            try:
                response = pool.request(method, url, body=body)
                content: bytes = response.data
            except urllib3.exceptions.HTTPError as error:
                raise InstanceUnreachableError(str(error)) from error
        if response.status != 200:
            words = content.decode(errors="replace").strip()
            raise InstanceUnreachableError(f"{method} {path}: {response.status} {words}")
        return content
