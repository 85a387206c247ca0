# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any other node: it asks the first one which databases there are, and goes on with the last answer while that one is away."""

from __future__ import annotations

import base64
import http.client
import json
import logging
import ssl
import threading
from collections.abc import Callable
from typing import Any

from redis_node.database import Database
from redis_node.members import FIRST
from redis_node.node import Node

logger = logging.getLogger(__name__)

PATH = "/v1/local/databases"
ASK_INTERVAL = 0.5
ASK_TIMEOUT = 2.0


class FollowingNode:
    """Keeps a node at what the first node says."""

    def __init__(self, node: Node, port: int, credentials: Callable[[], tuple[str, str]]) -> None:
        self.node = node
        self._port = port
        self._credentials = credentials
        self._file = node.settings.data / "databases.json"
        self._last = ""

    def start(self) -> None:
        if self._file.exists():
            self._last = self._file.read_text(encoding="utf-8")
            self._take(json.loads(self._last))
        self.node.start()
        threading.Thread(target=self._follow, name="follow", daemon=True).start()

    def _follow(self) -> None:
        away = False
        while not self.node.stopping.wait(ASK_INTERVAL):
            try:
                text = self._ask()
                if text != self._last:
                    self._take(json.loads(text))
                    self._save(text)
                if away:
                    logger.info("the first node answers again")
                away = False
            except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
                if not away:
                    logger.warning("the first node does not answer: %s", error)
                away = True

    def _ask(self) -> str:
        members, certificates = self.node.settings.members, self.node.settings.certificates
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        user, password = self._credentials()
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        connection = http.client.HTTPSConnection(members.hosts[FIRST], self._port, timeout=ASK_TIMEOUT, context=context)
        try:
            connection.request("GET", f"{PATH}/{members.number}", headers={"Authorization": f"Basic {token}"})
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != http.client.OK:
                raise ValueError(f"status {response.status}: {text[:200]}")
            return text
        finally:
            connection.close()

    def _take(self, content: dict[str, Any]) -> None:
        databases = [Database.from_file(database) for database in content["databases"]]
        self.node.configure(databases, content["sentinel_password"])

    def _save(self, text: str) -> None:
        new = self._file.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(text, encoding="utf-8")
        new.replace(self._file)
        self._last = text
