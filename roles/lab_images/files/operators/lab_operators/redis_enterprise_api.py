# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the cluster's REST API, as far as the operator uses it."""

from __future__ import annotations

import json
from typing import Any

import urllib3

Answer = dict[str, Any]

TIMEOUT = urllib3.Timeout(connect=3, read=30)


class ClusterUnreachableError(Exception):
    """Nobody answered, or not in the way the API does. Worth another try."""


class RequestRefusedError(Exception):
    """The cluster understood and said no."""

    def __init__(self, status: int, code: str, description: str) -> None:
        super().__init__(f"{code}: {description}")
        self.status = status


class ClusterApi:
    """The REST API of one cluster."""

    def __init__(self, host: str, authority: str, username: str, password: str, port: int = 9443) -> None:
        self._root = f"https://{host}:{port}"
        self._pool = urllib3.PoolManager(ca_cert_data=authority, timeout=TIMEOUT, retries=False)
        self._headers = {
            **urllib3.make_headers(basic_auth=f"{username}:{password}"),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    def license(self) -> Answer:
        return self._request("GET", "/v1/license")

    def set_license(self, text: str) -> Answer:
        return self._request("PUT", "/v1/license", {"license": text})

    def modules(self) -> list[Answer]:
        return self._request("GET", "/v1/modules")

    def nodes(self) -> list[Answer]:
        return self._request("GET", "/v1/nodes")

    def databases(self) -> list[Answer]:
        return self._request("GET", "/v1/bdbs")

    def create_database(self, request: Answer) -> Answer:
        return self._request("POST", "/v1/bdbs", request)

    def change_database(self, uid: int, request: Answer) -> Answer:
        return self._request("PUT", f"/v1/bdbs/{uid}", request)

    def delete_database(self, uid: int) -> None:
        self._request("DELETE", f"/v1/bdbs/{uid}")

    def _request(self, method: str, path: str, body: Answer | None = None) -> Any:
        content = json.dumps(body) if body is not None else None
        try:
            response = self._pool.request(method, self._root + path, body=content, headers=self._headers)
            answer = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise ClusterUnreachableError(f"{method} {path}: {error}") from error
        if response.status >= 500 or response.status == 401:
            raise ClusterUnreachableError(f"{method} {path}: {response.status} {answer.get('description', '')}")
        if response.status >= 400:
            raise RequestRefusedError(
                response.status, answer.get("error_code", ""), answer.get("description", f"{method} {path}")
            )
        return answer
