# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m tyk_stand_in [--conf tyk.conf]`: serve until SIGTERM, exit 0."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import pathlib
import sys

from tyk_stand_in.configuration import ConfigurationError, read_configuration
from tyk_stand_in.json_logs import configure_logs
from tyk_stand_in.lifecycle import serve

DEFAULT_CONFIGURATION = pathlib.Path("/opt/tyk-gateway/tyk.conf")
EXIT_CONFIGURATION = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="tyk_stand_in", description=__doc__)
    parser.add_argument("--conf", type=pathlib.Path, default=DEFAULT_CONFIGURATION, help="the configuration file")
    arguments = parser.parse_args()
    configure_logs("info")
    try:
        configuration = read_configuration(arguments.conf, os.environ)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            logging.getLogger("tyk_stand_in").error(mistake)
        return EXIT_CONFIGURATION
    configure_logs(configuration.log_level)
    asyncio.run(serve(configuration))
    return 0


if __name__ == "__main__":
    sys.exit(main())
