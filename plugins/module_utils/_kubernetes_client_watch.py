# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collections of the API as they are at this moment: each is listed once and then watched, in a thread of its own."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._kubernetes_client import KubernetesClient, KubernetesError
from ansible_collections.azora.platform.plugins.module_utils._rollout import Collection, Unreadable, World

# How long one watch lasts before the next goes on where it ended.
WATCH_SECONDS = 60
# Before a collection that could not be read, or may not be watched, is listed again.
AGAIN_SECONDS = 1.0
GONE = 410


class _ExpiredError(Exception):
    """The API server no longer knows the version to go on from: the collection has to be listed again."""


class Watches:
    """Watches collections while it is entered."""

    def __init__(self, client: KubernetesClient, collections: Sequence[Collection]) -> None:
        self._client = client
        self._collections = list(collections)
        self._objects: dict[Collection, dict[str, dict[str, Any]]] = {}
        self._errors: dict[Collection, Unreadable] = {}
        # What stood there when this began, so that news can be told from old events.
        self._first: dict[Collection, set[str]] = {}
        self._responses: dict[Collection, Any] = {}
        self._changed = threading.Condition()
        self._changes = self._seen = 0
        self._ending = threading.Event()

    def __enter__(self) -> Watches:
        for collection in self._collections:
            threading.Thread(target=self._follow, args=(collection,), daemon=True).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ending.set()
        with self._changed:
            responses = list(self._responses.values())
        for response in responses:
            # Wakes the thread that reads it. Older versions of urllib3 cannot; there the thread ends with the watch, or the process.
            with contextlib.suppress(Exception):
                response.shutdown()

    def wait_for_all(self) -> None:
        """Until each collection was listed, or could not be."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._objects.keys() | self._errors.keys()) == len(self._collections))

    def wait_for_change(self, seconds: float) -> None:
        """Until something is different from what the last `world` showed, or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._changes > self._seen, timeout=max(0.0, seconds))

    def world(self) -> World:
        """Everything as it is known now."""
        with self._changed:
            self._seen = self._changes
            objects = {collection: list(found.values()) for collection, found in self._objects.items()}
            return World(objects, dict(self._errors), {key: frozenset(found) for key, found in self._first.items()})

    def _follow(self, collection: Collection) -> None:
        while not self._ending.is_set():
            try:
                version = self._list(collection)
            except Exception as error:
                status = error.status if isinstance(error, KubernetesError) else 0
                self._tell_unreadable(collection, Unreadable(str(error) or type(error).__name__, status))
                self._ending.wait(AGAIN_SECONDS)
                continue
            try:
                self._watch(collection, version)
            except _ExpiredError:
                continue
            except Exception:  # noqa: S110 - the list that follows tells what is the matter, also to who may list but not watch
                pass
            self._ending.wait(AGAIN_SECONDS)

    def _list(self, collection: Collection) -> str:
        items, version = self._client.collection(
            collection.path, label_selector=collection.label_selector, field_selector=collection.field_selector
        )
        found = {_key(item): item for item in items}
        with self._changed:
            self._first.setdefault(collection, {_state(item) for item in items})
            self._objects[collection] = found
            self._errors.pop(collection, None)
            self._tell()
        return version

    def _watch(self, collection: Collection, version: str) -> None:
        while not self._ending.is_set():
            for event in self._events(collection, version):
                found = event.get("object") or {}
                if event.get("type") == "ERROR":
                    if found.get("code") == GONE:
                        raise _ExpiredError
                    raise KubernetesError(f"{collection.path}: {found.get('message')}", int(found.get("code") or 0))
                version = str((found.get("metadata") or {}).get("resourceVersion") or version)
                if event.get("type") in ("ADDED", "MODIFIED", "DELETED"):
                    self._tell_event(collection, event)

    def _events(self, collection: Collection, version: str) -> Iterator[dict[str, Any]]:
        try:
            response = self._client.open_watch(collection.path, version, seconds=WATCH_SECONDS, **collection.selectors)
        except KubernetesError as error:
            if error.status == GONE:
                raise _ExpiredError from error
            raise
        with self._changed:
            self._responses[collection] = response
        if self._ending.is_set():
            response.close()
            return
        try:
            rest = b""
            for piece in response.stream():
                *lines, rest = (rest + piece).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield dict(json.loads(line))
        except Exception as error:
            if not self._ending.is_set():
                raise KubernetesError(f"the watch of {collection.path} broke off: {error}") from error
        finally:
            with self._changed:
                self._responses.pop(collection, None)
            response.close()

    def _tell_unreadable(self, collection: Collection, error: Unreadable) -> None:
        with self._changed:
            self._errors[collection] = error
            self._tell()

    def _tell_event(self, collection: Collection, event: Mapping[str, Any]) -> None:
        found = event["object"]
        with self._changed:
            if event["type"] == "DELETED":
                self._objects[collection].pop(_key(found), None)
            else:
                self._objects[collection][_key(found)] = found
            self._tell()

    def _tell(self) -> None:
        self._changes += 1
        self._changed.notify_all()


def _key(thing: Mapping[str, Any]) -> str:
    metadata = thing["metadata"]
    return f"{metadata.get('namespace', '')}/{metadata['name']}"


def _state(thing: Mapping[str, Any]) -> str:
    return f"{thing['metadata'].get('uid')} {thing['metadata'].get('resourceVersion')}"
