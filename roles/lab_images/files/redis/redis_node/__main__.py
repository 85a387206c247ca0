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

from redis_node.first_node import FirstNode
from redis_node.following_node import FollowingNode
from redis_node.members import FIRST, Members
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
        members=Members.from_environment(environment),
    )
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def credentials() -> tuple[str, str]:
        # Read every time: the kubelet replaces the files when the Secret changes.
        return (credentials_directory / "username").read_text(), (credentials_directory / "password").read_text()

    node, members = Node(settings), settings.members
    api_port = int(environment.get("API_PORT", "9443"))
    first = FirstNode(node) if members.number == FIRST else None
    (first or FollowingNode(node, api_port, credentials)).start()

    certificate = ServerCertificate(certificates)
    address = "" if members.listen == "*" else members.listen
    for port, respond in (
        (api_port, RestApi(node, first, credentials).respond),
        (int(environment.get("METRICS_PORT", "8070")), metrics_responder(node)),
    ):
        HttpsServer(address, port, certificate.context, respond).start()
    while not stop.wait(CERTIFICATE_CHECK_SECONDS):
        certificate.reload()
    node.stop()


def _redis_version() -> str:
    # "Redis server v=7.0.15 sha=…"
    words = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout.split()
    return next(word.removeprefix("v=") for word in words if word.startswith("v="))


if __name__ == "__main__":
    main()
