# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the agent: databases first, then the ports that speak about them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from redis_node.node import Node, NodeSettings
from redis_node.rest_api import HttpsServer, RestApi, ServerCertificate, metrics_responder

CERTIFICATE_CHECK_SECONDS = 30


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    environment = os.environ
    credentials_directory = Path(environment.get("CREDENTIALS_DIR", "/etc/redis-node/credentials"))
    certificates = Path(environment.get("CERTIFICATES_DIR", "/etc/redis-node/certificates"))
    settings = NodeSettings(
        cluster_name=environment["CLUSTER_NAME"],
        data=Path(environment.get("DATA_DIR", "/opt/persistent")),
        runtime=Path(environment.get("RUNTIME_DIR", "/tmp")),  # noqa: S108 - a volume of the pod's own
        certificates=certificates,
        shards_limit=int(environment.get("SHARDS_LIMIT", "4")),
        memory_limit=int(environment.get("MEMORY_LIMIT", "0")),
        redis_version=_redis_version(),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    node = Node(settings)
    node.start()

    def credentials() -> tuple[str, str]:
        # Read every time: the kubelet replaces the files when the Secret changes.
        return (credentials_directory / "username").read_text(), (credentials_directory / "password").read_text()

    certificate = ServerCertificate(certificates)
    HttpsServer(
        int(environment.get("API_PORT", "9443")), certificate.context, RestApi(node, credentials).respond
    ).start()
    HttpsServer(int(environment.get("METRICS_PORT", "8070")), certificate.context, metrics_responder(node)).start()
    while not stop.wait(CERTIFICATE_CHECK_SECONDS):
        certificate.reload()
    node.stop()


def _redis_version() -> str:
    # "Redis server v=7.0.15 sha=…"
    words = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return next(word.removeprefix("v=") for word in words if word.startswith("v="))


if __name__ == "__main__":
    main()
