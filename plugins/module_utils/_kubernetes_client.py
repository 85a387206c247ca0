# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one file that touches kubernetes.core and the kubernetes client.

Connections are made exactly as kubernetes.core makes them (same options, same K8S_AUTH_* environment); on top of that
is a small interface by path. It may be used by several threads at once: each request has its own headers and
connection of the pool.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlencode

Result = TypeVar("Result")

# The same names, types and aliases as kubernetes.core has, so that one set of module defaults serves both; a unit test
# compares them. Written out, because a module must be importable where kubernetes.core is not.
CONNECTION_OPTIONS: dict[str, dict[str, Any]] = {
    "kubeconfig": {"type": "raw", "no_log": True},
    "context": {"type": "str"},
    "host": {"type": "str"},
    "api_key": {"type": "str", "no_log": True},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "validate_certs": {"type": "bool", "aliases": ["verify_ssl"]},
    "ca_cert": {"type": "path", "aliases": ["ssl_ca_cert"]},
    "client_cert": {"type": "path", "aliases": ["cert_file"]},
    "client_key": {"type": "path", "aliases": ["key_file"]},
    "proxy": {"type": "str"},
    "no_proxy": {"type": "str"},
    "proxy_headers": {
        "type": "dict",
        "options": {
            "proxy_basic_auth": {"type": "str", "no_log": True},
            "basic_auth": {"type": "str", "no_log": True},
            "user_agent": {"type": "str"},
        },
    },
    "persist_config": {"type": "bool"},
    "impersonate_user": {"type": "str"},
    "impersonate_groups": {"type": "list", "elements": "str"},
}
# More at once gains little and makes the API server's fairness queue; urllib3 keeps as many connections by default.
CONCURRENT_REQUESTS = 8
PAGE = 500
REQUEST_TIMEOUT = 30.0
READ_SIZE = 64 * 1024


class KubernetesError(Exception):
    """The API server refused or could not be reached; the message is one sentence for people."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class KubernetesClient:
    """Objects of the API as plain dictionaries."""

    def __init__(self, dynamic_client: Any) -> None:
        self._client = dynamic_client

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> KubernetesClient:
        try:
            from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import (  # noqa: PLC0415
                get_api_client,
            )
        except ImportError as error:
            raise KubernetesError(f"the collection kubernetes.core is needed and not installed ({error})") from error
        try:
            import kubernetes  # noqa: F401, PLC0415
        except ImportError as error:
            raise KubernetesError(f"the Python library kubernetes is needed and not installed ({error})") from error
        given = {name: options.get(name) for name in CONNECTION_OPTIONS if options.get(name) is not None}
        try:
            return cls(get_api_client(**given).client)
        except Exception as error:
            raise KubernetesError(f"no connection to the Kubernetes API: {_sentence(error)}") from error

    @property
    def address(self) -> str:
        """Where the API server is."""
        return str(getattr(getattr(self._client, "configuration", None), "host", None) or "")

    def list_as_of(self, path: str, **selectors: str) -> tuple[list[dict[str, Any]], str]:
        """All objects of a collection, page by page, and its version; label_selector and field_selector narrow it."""
        names = {"label_selector": "labelSelector", "field_selector": "fieldSelector"}
        query = {names[name]: value for name, value in selectors.items() if value}
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            page = self._json("GET", path, {**query, "limit": str(PAGE), **({"continue": token} if token else {})})
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return items, str(metadata.get("resourceVersion") or "")

    def list(self, path: str, **selectors: str) -> list[dict[str, Any]]:
        """The same without the version."""
        return self.list_as_of(path, **selectors)[0]

    def watch(self, path: str, version: str, seconds: float) -> Generator[tuple[str, dict[str, Any]]]:
        """What happens to a collection after this version, for so long: ADDED, MODIFIED or DELETED, and the object."""
        limit = str(max(1, math.ceil(seconds)))
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": limit}
        for line in self._lines(path, query, seconds + REQUEST_TIMEOUT):
            event = _object(line, f"the watch of {path}")
            happened, one = str(event.get("type")), event.get("object") or {}
            if happened not in ("ADDED", "MODIFIED", "DELETED"):
                raise KubernetesError(
                    f"the watch of {path}: {one.get('message') or happened}", int(one.get("code") or 0)
                )
            yield happened, one

    def get(self, path: str) -> dict[str, Any] | None:
        """One object, or None where there is none."""
        try:
            return self._json("GET", path)
        except KubernetesError as error:
            if error.status == 404:
                return None
            raise

    def create(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return self._json("POST", path, body=body)

    def patch(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A strategic merge patch: lists are merged by the key that names their entries."""
        return self._json("PATCH", path, body=body, content_type="application/strategic-merge-patch+json")

    def log(self, namespace: str, pod: str, container: str) -> str:
        return self.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {"container": container})

    def follow_log(self, namespace: str, pod: str, container: str, seconds: float) -> Generator[str]:
        """The lines of a log while they are written, until the container ends or nobody asks for more."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        return self._lines(path, {"container": container, "follow": "true"}, seconds)

    def text(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """What is no object, such as logs and metrics."""
        return self._request("GET", path, query, accept="*/*").decode("utf-8", "replace")

    def execute(
        self, namespace: str, pod: str, container: str, command: Sequence[str], *, typed: str, timeout: float
    ) -> str:
        """What a command says on its standard output and error, with TYPED on its standard input.

        A lost connection ends like a finished command (https://github.com/kubernetes/kubernetes/issues/73056): what was
        said has to prove by itself that it is whole.
        """
        from kubernetes.client import ApiClient, CoreV1Api  # noqa: PLC0415
        from kubernetes.stream import stream  # noqa: PLC0415

        # stream() swaps a method of the client it is given, so each call needs one of its own.
        own = ApiClient(configuration=self._client.configuration)
        own.default_headers.update(self._client.client.default_headers)
        try:
            connection = stream(
                CoreV1Api(own).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(command),
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
                _request_timeout=timeout,
            )
            try:
                connection.write_stdin(typed)
                connection.run_forever(timeout=timeout)
                return str(connection.read_all())
            finally:
                connection.close()
        except Exception as error:
            raise KubernetesError(f"exec in pod {namespace}/{pod}: {_sentence(error)}") from error
        finally:
            own.close()  # type: ignore[no-untyped-call]

    def permitted(self, verb: str, namespace: str, resource: str, subresource: str = "") -> bool:
        """Ask the API server itself whether this user may."""
        attributes = {"verb": verb, "namespace": namespace, "resource": resource, "subresource": subresource}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }
        answer = self.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
        return bool((answer.get("status") or {}).get("allowed"))

    def _json(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        answer = self._request(method, path, query, body=body, content_type=content_type)
        return _object(answer, f"{method} {path}")

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> bytes:
        try:
            return bytes(self._opened(method, path, query, body=body, content_type=content_type, accept=accept).data)
        except KubernetesError:
            raise
        except Exception as error:
            raise KubernetesError(f"{method} {path}: {_sentence(error)}") from error

    def _lines(self, path: str, query: Mapping[str, str], silence: float) -> Generator[str]:
        """An answer that goes on, line by line; it may be silent for so many seconds."""
        answer = self._opened("GET", path, query, accept="*/*", timeout=silence)
        begun = b""
        try:
            for part in answer.stream(READ_SIZE, decode_content=True):
                *whole, begun = (begun + part).split(b"\n")
                for line in whole:
                    yield line.decode("utf-8", "replace")
            if begun:
                yield begun.decode("utf-8", "replace")
        except Exception as error:
            raise KubernetesError(f"GET {path}: {_sentence(error)}") from error
        finally:
            # With the connection: what has not been read would come before the answer to its next request.
            answer.close()

    def _opened(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        timeout: float = REQUEST_TIMEOUT,
    ) -> Any:
        """The answer of the HTTP library, its body not read yet."""
        url = f"{path}?{urlencode(query)}" if query else path
        try:
            # The dynamic client's request by path has kept its form over the major versions of the library.
            return self._client.request(
                method,
                url,
                body=body,
                content_type=content_type,
                header_params={"Accept": accept},
                serialize=False,
                _request_timeout=timeout,
            )
        except Exception as error:
            status = int(getattr(error, "status", 0) or 0)
            raise KubernetesError(f"{method} {path}: {_sentence(error)}", status) from error


def together(calls: Sequence[Any], at_once: int = CONCURRENT_REQUESTS) -> list[Any]:
    """Call each without arguments, several at a time; the results in the order of the calls."""
    if not calls:
        return []
    with ThreadPoolExecutor(max_workers=min(at_once, len(calls))) as threads:
        return [future.result() for future in [threads.submit(call) for call in calls]]


def listings(client: KubernetesClient, paths: Sequence[str]) -> list[list[dict[str, Any]] | KubernetesError]:
    """All objects of several collections, in the order of the paths; an error in the place of each that failed."""

    def listing(path: str) -> list[dict[str, Any]] | KubernetesError:
        try:
            return client.list(path)
        except KubernetesError as error:
            return error

    return together([functools.partial(listing, path) for path in paths])


def _object(text: str | bytes, said_by: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except ValueError as error:
        raise KubernetesError(f"{said_by} did not answer with an object: {_sentence(error)}") from error


def _sentence(error: BaseException) -> str:
    """What the API server said, or the shortest true thing about a failed request."""
    body = getattr(error, "body", None)
    if body:
        try:
            message = json.loads(body).get("message")
        except (ValueError, AttributeError):
            message = None
        if message:
            return str(message)
    reason = getattr(error, "reason", None)
    text = str(reason or error or type(error).__name__)
    return " ".join(text.split())[:400]
