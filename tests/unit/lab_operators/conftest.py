# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the programs of the lab's images importable, and the doubles of this folder."""

from __future__ import annotations

import sys
from pathlib import Path

FILES = Path(__file__).parents[3] / "roles" / "lab_images" / "files"
for root in (FILES / "operators", FILES / "postgres", FILES / "redis", Path(__file__).parent):
    sys.path.insert(0, str(root))
