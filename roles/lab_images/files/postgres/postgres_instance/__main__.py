# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start: read the operator's configuration, make the cluster's first data if told so, run Patroni until the pod is stopped."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys

from postgres_instance.bootstrap import (
    BootstrapError,
    bootstrap,
    failed_command,
    remove_stale_locks,
    remove_unfinished_copy,
)
from postgres_instance.configuration import InstanceConfiguration, Places
from postgres_instance.metrics_endpoint import start_metrics_endpoint
from postgres_instance.patroni_settings import Member
from postgres_instance.recovery import recover
from postgres_instance.server import PostgresServer, StoppingError, object_stores, write_json
from postgres_instance.status_endpoint import start_status_endpoint
from postgres_instance.wal_space import NO_ROOM, NoRoomError, check_room

logger = logging.getLogger("postgres_instance")


def main() -> int:
    """The exit code of the pod's one container."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stdout)
    places = Places()
    configuration = InstanceConfiguration.parse(places.configuration.read_text(encoding="utf-8"))
    server = PostgresServer(configuration, places, Member.of_environment(os.environ))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: server.stop())
    start_status_endpoint(server, places)
    start_metrics_endpoint(server, server.configuration.cluster)
    try:
        return _run(server, places)
    except StoppingError:
        return 0
    except NoRoomError as error:
        return _fail(places, str(error), NO_ROOM)


def _run(server: PostgresServer, places: Places) -> int:
    try:
        # One member makes the first data; the others, and one that lost its own later, copy the primary's.
        if os.environ.get("FIRST_DATA") == "true":
            first_data(server, places)
    except BootstrapError as error:
        return _fail(places, str(error))
    except subprocess.CalledProcessError as error:
        return _fail(places, failed_command(error))
    remove_unfinished_copy(places)
    remove_stale_locks(places)
    check_room(places)
    code = server.serve()
    if server.stopping:
        logger.info("Patroni is stopped (code %d)", code)
        return 0
    check_room(places)
    return _fail(places, f"Patroni ended with code {code}: {' | '.join(server.last_words)}")


def first_data(server: PostgresServer, places: Places) -> None:
    """New, or what another cluster had at some moment."""
    configuration = server.configuration
    if configuration.recovery:
        write_json(places.object_stores, object_stores(configuration))
        recover(configuration, configuration.recovery, places, server.run, server.check_stopping)
    else:
        bootstrap(configuration, places, server.run)


def _fail(places: Places, message: str, code: int = 1) -> int:
    """The kubelet shows the message in the pod's status, where the operator reads it."""
    logger.error(message)
    with contextlib.suppress(OSError):
        places.termination_message.write_text(message, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main())
