# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stands in for get-pip where only package registries are reachable: the pip that Python carries installs the pip that is asked for."""

from __future__ import annotations

import ensurepip
import os
import subprocess
import sys

# ensurepip points PIP_CONFIG_FILE at nothing, which would hide the machine's own certificate authority from the next step.
environment = {name: value for name, value in os.environ.items() if name != "PIP_CONFIG_FILE"}
ensurepip.bootstrap()
arguments = [argument for argument in sys.argv[1:] if argument not in {"--no-setuptools", "--no-wheel"}]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *arguments], env=environment))
