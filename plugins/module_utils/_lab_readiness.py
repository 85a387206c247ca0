# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When a process of the lab counts as ready."""

from __future__ import annotations

import dataclasses
import socket
import ssl
import typing as t
import urllib.error
import urllib.request

from ansible_collections.azora.platform.plugins.module_utils._lab_system import in_network_namespace

TIMEOUT = 3.0


@dataclasses.dataclass(frozen=True)
class Readiness:
    """What must answer: KIND is none (it runs), tcp, unix (a socket accepts) or http (status 200)."""

    kind: str = "none"
    address: str = "127.0.0.1"
    port: int = 0
    path: str = ""
    url: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def __str__(self) -> str:
        return {"tcp": f"{self.address}:{self.port}", "unix": self.path, "http": self.url}.get(self.kind, "it runs")


def probe(readiness: Readiness, network_namespace: str | None = None) -> str | None:
    """Look once; nothing when ready, otherwise why not."""
    try:
        # A socket in the file system is reached from anywhere; an address only inside its network namespace.
        namespace = None if readiness.kind in ("none", "unix") else network_namespace
        return in_network_namespace(namespace, lambda: PROBES[readiness.kind](readiness))
    except (OSError, ssl.SSLError, urllib.error.URLError) as error:
        return str(error) or type(error).__name__


def _probe_none(_readiness: Readiness) -> str | None:
    return None


def _probe_tcp(readiness: Readiness) -> str | None:
    with socket.create_connection((readiness.address, readiness.port), timeout=TIMEOUT):
        return None


def _probe_unix(readiness: Readiness) -> str | None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT)
        connection.connect(readiness.path)
    return None


def _probe_http(readiness: Readiness) -> str | None:
    context = None
    if readiness.url.startswith("https:"):
        context = ssl.create_default_context(cafile=readiness.ca or None)
        if readiness.certificate:
            context.load_cert_chain(readiness.certificate, readiness.key or None)
    # The lab's addresses are never behind the proxy that the environment may name.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}),
        *([urllib.request.HTTPSHandler(context=context)] if context else []),
    )
    try:
        with opener.open(readiness.url, timeout=TIMEOUT) as response:
            return None if response.status == 200 else f"{readiness.url} answers {response.status}"
    except urllib.error.HTTPError as error:
        return f"{readiness.url} answers {error.code}"


PROBES: dict[str, t.Callable[[Readiness], str | None]] = {
    "none": _probe_none,
    "tcp": _probe_tcp,
    "unix": _probe_unix,
    "http": _probe_http,
}
