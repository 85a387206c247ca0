# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m azora_service`: read the environment, serve until SIGTERM, exit 0."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

from azora_service.configuration import ConfigurationError, read_settings
from azora_service.json_logs import configure_logs
from azora_service.lifecycle import serve

EXIT_CONFIGURATION = 2


def main() -> int:
    configure_logs(os.environ.get("SERVICE_NAME", "service"), logging.INFO)
    try:
        settings = read_settings(os.environ)
    except ConfigurationError as error:
        for mistake in error.mistakes:
            logging.getLogger("azora_service").error(mistake)
        return EXIT_CONFIGURATION
    configure_logs(settings.name, settings.log_level)
    asyncio.run(serve(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
