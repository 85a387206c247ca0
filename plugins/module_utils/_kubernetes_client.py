# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The one file that touches kubernetes.core and the kubernetes client.

Connections are made exactly as kubernetes.core makes them (same options, same K8S_AUTH_* environment); on top of that
is a small interface by path. It may be used by several threads at once: each request has its own headers and
connection of the pool.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
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
JSON = "application/json"
# Names, labels and owners of objects without what is in them: quick, and no Secret leaves the API server.
METADATA_ONLY = f"application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,{JSON}"


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

    def collection(
        self, path: str, *, metadata_only: bool = False, **selectors: str
    ) -> tuple[Sequence[dict[str, Any]], str]:
        """All objects of a collection, page by page, and the resourceVersion from which they can be watched.

        label_selector and field_selector narrow it.
        """
        accept = METADATA_ONLY if metadata_only else JSON
        query = _selection(selectors)
        items: list[dict[str, Any]] = []
        token = ""
        while True:
            paged = {**query, "limit": str(PAGE), **({"continue": token} if token else {})}
            page = self._json("GET", path, paged, accept=accept)
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            token = metadata.get("continue") or ""
            if not token:
                return items, str(metadata.get("resourceVersion") or "")

    def list(self, path: str, *, metadata_only: bool = False, **selectors: str) -> list[dict[str, Any]]:
        """All objects of a collection."""
        return list(self.collection(path, metadata_only=metadata_only, **selectors)[0])

    def open_watch(self, path: str, version: str, *, seconds: int, **selectors: str) -> Any:
        """What happens to a collection after a resourceVersion, for some seconds: the response, to be read as it comes."""
        query = {
            "watch": "1",
            "resourceVersion": version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
        }
        # The server ends it; only a server that is gone says nothing for longer than that.
        timeout = (REQUEST_TIMEOUT, seconds + REQUEST_TIMEOUT)
        return self._send("GET", path, {**_selection(selectors), **query}, timeout=timeout)

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

    def merge(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A JSON merge patch, the only kind besides server-side apply that custom resources take."""
        return self._json("PATCH", path, body=body, content_type="application/merge-patch+json")

    def delete(self, path: str, *, uid: str = "", propagation: str = "Background") -> bool:
        """Ask for the end of an object, of only that one with a UID; False where there is none."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid:
            options["preconditions"] = {"uid": uid}
        try:
            self._json("DELETE", path, body=options)
        except KubernetesError as error:
            if error.status == 404:
                return False
            raise
        return True

    def change(self, path: str, operations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """A JSON patch (RFC 6902): its operations, or nothing."""
        return self._json("PATCH", path, body=list(operations), content_type="application/json-patch+json")

    def apply(self, path: str, body: Mapping[str, Any], field_manager: str) -> dict[str, Any]:
        """A server-side apply: what the manager said before and does not say now goes away."""
        query = {"fieldManager": field_manager, "force": "true"}
        # JSON is YAML; as a text it passes every version of the library unchanged.
        return self._json("PATCH", path, query, body=json.dumps(body), content_type="application/apply-patch+yaml")

    def log(self, namespace: str, pod: str, container: str, **more: str) -> str:
        return self.text(f"/api/v1/namespaces/{namespace}/pods/{pod}/log", {"container": container, **more})

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

    @contextlib.contextmanager
    def tunnel(self, namespace: str, pod: str, port: int) -> Iterator[Any]:
        """A socket to a port of a pod: through the API server, as kubectl port-forward does it, hence past every network policy."""
        from kubernetes.client import ApiClient, CoreV1Api  # noqa: PLC0415
        from kubernetes.stream import portforward  # noqa: PLC0415

        # portforward() swaps a method of the client it is given, so each call needs one of its own.
        own = ApiClient(configuration=self._client.configuration)
        own.default_headers.update(self._client.client.default_headers)
        try:
            connect = CoreV1Api(own).connect_get_namespaced_pod_portforward
            try:
                forward = portforward(connect, pod, namespace, ports=str(port))
            except Exception as error:
                raise KubernetesError(f"port {port} of pod {namespace}/{pod}: {_sentence(error)}") from error
            try:
                yield forward.socket(port)
            finally:
                forward.close()
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
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> dict[str, Any]:
        answer = self._request(method, path, query, body=body, content_type=content_type, accept=accept)
        try:
            return dict(json.loads(answer))
        except ValueError as error:
            raise KubernetesError(f"{method} {path} did not answer with an object: {_sentence(error)}") from error

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> bytes:
        response = self._send(method, path, query, body=body, content_type=content_type, accept=accept)
        try:
            return bytes(response.data)
        except Exception as error:
            raise KubernetesError(f"{method} {path}: {_sentence(error)}") from error

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout: Any = REQUEST_TIMEOUT,
    ) -> Any:
        """The response, its body not read yet."""
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


def listings(
    client: KubernetesClient, paths: Sequence[str], *, label_selector: str = ""
) -> list[list[dict[str, Any]] | KubernetesError]:
    """All objects of several collections, in the order of the paths; an error in the place of each that failed."""

    def listing(path: str) -> list[dict[str, Any]] | KubernetesError:
        try:
            return client.list(path, label_selector=label_selector)
        except KubernetesError as error:
            return error

    return together([functools.partial(listing, path) for path in paths])


def _selection(selectors: Mapping[str, str]) -> dict[str, str]:
    names = {"label_selector": "labelSelector", "field_selector": "fieldSelector"}
    return {names[name]: value for name, value in selectors.items() if value}


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
