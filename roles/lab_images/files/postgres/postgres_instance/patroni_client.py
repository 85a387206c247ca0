# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The REST API of this pod's Patroni, which listens on the pod's own loopback only.

Source: https://patroni.readthedocs.io/en/latest/rest_api.html
"""

from __future__ import annotations

import json
from typing import Any

import urllib3

from postgres_instance.configuration import Places
from postgres_instance.patroni_settings import PATRONI_PORT

# Seconds; a switchover is answered when it is done.
TIMEOUT = urllib3.Timeout(connect=3, read=60)


class PatroniError(Exception):
    """Patroni does not answer, or refuses; the message says why."""


class PatroniClient:
    """Asks Patroni and passes on what others ask it."""

    def __init__(self, places: Places, port: int = PATRONI_PORT) -> None:
        self._origin = f"https://127.0.0.1:{port}"
        # The certificate names the cluster's Services, not the loopback.
        authority = str(places.certificates / "ca.crt")
        self._pool = urllib3.PoolManager(ca_certs=authority, assert_hostname=False, retries=False, timeout=TIMEOUT)

    def forward(self, method: str, path: str, body: str | None = None) -> tuple[int, bytes]:
        """Status and body of Patroni's answer, whatever it is."""
        try:
            response = self._pool.request(method, f"{self._origin}{path}", body=body)
        except urllib3.exceptions.HTTPError as error:
            raise PatroniError(f"Patroni does not answer {method} {path}: {error}") from error
        return response.status, response.data

    def state(self) -> dict[str, Any]:
        """What Patroni says of this member."""
        content: dict[str, Any] = json.loads(self._expect("GET", "/patroni"))
        return content

    def set_cluster_state(self, state: dict[str, Any]) -> None:
        """Replace what holds for all members; each of them takes it over in its next turn."""
        self._expect("PUT", "/config", json.dumps(state))

    def reload(self) -> None:
        """Have Patroni read its file again; it does so in its next turn."""
        self._expect("POST", "/reload")

    def _expect(self, method: str, path: str, body: str | None = None) -> bytes:
        status, answer = self.forward(method, path, body)
        if status not in (200, 202):
            raise PatroniError(f"{method} {path}: {status} {answer.decode(errors='replace').strip()}")
        return answer
