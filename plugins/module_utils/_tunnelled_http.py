# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP request over a connection that is open already, such as KubernetesClient.tunnel gives."""

from __future__ import annotations

import http.client
from collections.abc import Mapping
from typing import Any, NamedTuple


class Answer(NamedTuple):
    """What was answered, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    connected: Any, port: int, method: str, path: str, *, headers: Mapping[str, str], body: str | None = None
) -> Answer:
    """Send a request over a connected socket, whose timeout counts; OSError and http.client.HTTPException if nothing comes of it."""
    connection = http.client.HTTPConnection("localhost", port)
    connection.sock = connected
    # Without it a second request would go to this machine.
    connection.auto_open = 0
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    finally:
        connection.close()
