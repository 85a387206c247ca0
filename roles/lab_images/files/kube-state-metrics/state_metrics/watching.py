# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All objects of one kind, kept up to date by a watch: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes"""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

Object = Mapping[str, Any]
Connect = Callable[[], http.client.HTTPConnection]

ACCOUNT = pathlib.Path("/var/run/secrets/kubernetes.io/serviceaccount")
# Seconds: how long one watch goes on, how long an answer may take, how soon a failure is tried again, and what is too short for a watch.
WATCH, PATIENCE, PAUSE, SHORT = 60, 75, 2, 1


class WatchError(Exception):
    """The list is no longer up to date, and has to be read again."""


def of_this_cluster() -> http.client.HTTPConnection:
    """A connection to the API server as a pod finds it."""
    authority = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    place = os.environ["KUBERNETES_SERVICE_HOST"], int(os.environ["KUBERNETES_SERVICE_PORT"])
    return http.client.HTTPSConnection(*place, timeout=PATIENCE, context=authority)


def token() -> str:
    """Read each time, for it is replaced every hour."""
    return (ACCOUNT / "token").read_text(encoding="utf-8").strip()


class Watched:
    """The objects under one path of the API."""

    def __init__(self, path: str, connect: Connect = of_this_cluster, bearer: Callable[[], str] = token) -> None:
        self._path, self._connect, self._bearer = path, connect, bearer
        self._objects: dict[tuple[str, str], Object] = {}
        self._lock = threading.Lock()
        self.is_listed = threading.Event()
        self._ended = threading.Event()

    def objects(self) -> list[Object]:
        with self._lock:
            return [self._objects[place] for place in sorted(self._objects)]

    def end(self) -> None:
        self._ended.set()

    def run(self) -> None:
        """List and watch, again and again, until the end."""
        while not self._ended.is_set():
            try:
                version = self._list()
                while not self._ended.is_set():
                    began = time.monotonic()
                    version = self._follow(version)
                    # An API server that ends each watch at once, as while it stops, is not asked a thousand times a second.
                    if time.monotonic() - began < SHORT:
                        self._ended.wait(PAUSE)
            except Exception as error:
                # Whatever it is: nobody would notice that the numbers only get older.
                print(f"{self._path}: {type(error).__name__}: {error}", file=sys.stderr)
                self._ended.wait(PAUSE)

    def _ask(self, connection: http.client.HTTPConnection, **query: Any) -> http.client.HTTPResponse:
        place = f"{self._path}?{urlencode(query)}" if query else self._path
        connection.request("GET", place, headers={"Authorization": f"Bearer {self._bearer()}"})
        answer = connection.getresponse()
        if answer.status != http.client.OK:
            raise WatchError(f"{answer.status} {answer.reason}")
        return answer

    def _list(self) -> str:
        connection = self._connect()
        try:
            answer = json.loads(self._ask(connection).read())
        finally:
            connection.close()
        with self._lock:
            self._objects = {_place(one): one for one in answer["items"] or ()}
        self.is_listed.set()
        return str(answer["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> str:
        """The version up to which changes have been seen when the API server ends the watch."""
        connection = self._connect()
        try:
            answer = self._ask(
                connection, watch=1, resourceVersion=version, allowWatchBookmarks="true", timeoutSeconds=WATCH
            )
            for line in answer:
                event = json.loads(line)
                one = event["object"]
                if event["type"] == "ERROR":
                    raise WatchError(f"{one.get('code')} {one.get('message')}")
                version = str(one["metadata"]["resourceVersion"])
                self._take(event["type"], one)
        finally:
            connection.close()
        return version

    def _take(self, change: str, one: Object) -> None:
        if change == "BOOKMARK":
            return
        with self._lock:
            if change == "DELETED":
                self._objects.pop(_place(one), None)
            else:
                self._objects[_place(one)] = one


def _place(one: Object) -> tuple[str, str]:
    return one["metadata"]["namespace"], one["metadata"]["name"]
