# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes quantities (10Gi, 250m) as numbers."""

from __future__ import annotations

import re

_FORM = re.compile(r"^([0-9]+(?:\.[0-9]+)?)([EPTGMk]i?|Ki|m)?$")
_FACTORS = {"": 1.0, "m": 1e-3, **{letter: 1000.0**n for n, letter in enumerate("kMGTPE", 1)}}
_FACTORS |= {f"{letter}i": 1024.0**n for n, letter in enumerate("KMGTPE", 1)}


def quantity(value: object) -> float | None:
    """The number; None when it is no quantity."""
    match = _FORM.match(str(value))
    return float(match[1]) * _FACTORS[match[2] or ""] if match else None
