# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubernetes quantities: the amounts of CPU, memory and objects that requests, limits and quotas are written in."""

from __future__ import annotations

import re
from decimal import Decimal

_QUANTITY = re.compile(
    r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))(?:([numkMGTPE]|[KMGTPE]i)|[eE]([+-]?\d{1,2}))?", re.ASCII
)
_FACTORS = {
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "P": Decimal(10) ** 15,
    "E": Decimal(10) ** 18,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
    "Pi": Decimal(2) ** 50,
    "Ei": Decimal(2) ** 60,
}
_REDIS_MEMORY = re.compile(r"(\d{1,12})(KB|MB|GB|TB)", re.ASCII)
_REDIS_FACTORS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}

CPU_EXAMPLE = "'250m' or '2'"
MEMORY_EXAMPLE = "'512Mi' or '2Gi'"


class QuantityError(ValueError):
    """The text is not such a quantity; the message says what would be."""


def quantity(text: str) -> Decimal:
    """The number a quantity stands for: bytes, CPUs or a count."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise QuantityError("is not a Kubernetes quantity such as '250m', '2', '512Mi' or '2Gi'")
    number, suffix, exponent = match.groups()
    factor = Decimal(10) ** int(exponent) if exponent else _FACTORS.get(suffix or "", Decimal(1))
    return Decimal(number) * factor


def cpu(text: str) -> Decimal:
    """CPUs; a binary suffix on CPUs is a memory quantity in the wrong place."""
    try:
        amount = quantity(text)
    except QuantityError:
        raise QuantityError(f"is not a CPU quantity such as {CPU_EXAMPLE}") from None
    if text.endswith("i"):
        raise QuantityError(f"is a memory quantity; CPU is written as {CPU_EXAMPLE}")
    if amount <= 0:
        raise QuantityError(f"must be more than 0, for example {CPU_EXAMPLE}")
    return amount


def memory(text: str) -> Decimal:
    """Bytes; '512m' is half a byte, which nobody means."""
    try:
        amount = quantity(text)
    except QuantityError:
        raise QuantityError(f"is not a memory quantity such as {MEMORY_EXAMPLE}") from None
    if text[-1:] in ("m", "u", "n"):
        raise QuantityError(f"means a fraction of a byte; memory is written as {MEMORY_EXAMPLE}")
    if amount < 1:
        raise QuantityError(f"must be at least one byte, for example {MEMORY_EXAMPLE}")
    return amount


def redis_memory(text: str) -> int:
    """Bytes of a Redis Enterprise database, which writes '100MB' where Kubernetes writes '100M'."""
    match = _REDIS_MEMORY.fullmatch(text)
    if match is None:
        raise QuantityError("is not a database size such as '100MB' or '2GB'")
    size = int(match.group(1)) * _REDIS_FACTORS[match.group(2)]
    if size < 100 * 10**6:
        raise QuantityError("is too small; a Redis Enterprise database has at least '100MB'")
    return size
