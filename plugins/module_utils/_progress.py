# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module is waiting for, told while it runs.

A module has no way to speak before it ends. The callback azora.platform.progress names a file in the environment, which modules on
the same machine inherit; what they append to it, it shows.
"""

from __future__ import annotations

import os

PLACE = "AZORA_PLATFORM_PROGRESS"


def say(sentence: str) -> None:
    """Leave a sentence for whoever looks; nobody's waiting may fail because nobody looks."""
    place = os.environ.get(PLACE)
    if not place:
        return
    try:
        # Only one that is there already: a file that was taken away is not made again.
        descriptor = os.open(place, os.O_WRONLY | os.O_APPEND)
    except OSError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        # One write each: those of several modules do not mix.
        file.write(" ".join(sentence.split()) + "\n")
