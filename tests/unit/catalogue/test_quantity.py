# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from decimal import Decimal

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _quantity


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("250m", "0.25"),
        ("2", "2"),
        ("0.5", "0.5"),
        (".5", "0.5"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("1E", "1000000000000000000"),
        ("512Mi", "536870912"),
        ("1Gi", "1073741824"),
        ("1k", "1000"),
        ("100M", "100000000"),
    ],
)
def test_amount(text: str, amount: str) -> None:
    assert _quantity.quantity(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text", ["", " ", "1 Gi", "1GiB", "Gi", "one", "1.2.3", "0x10", "1K", "1e", "--1", "\u0661", "1e999", "m"]
)
def test_no_amount(text: str) -> None:
    with pytest.raises(_quantity.QuantityError):
        _quantity.quantity(text)


@pytest.mark.parametrize("text", ["250Mi", "0", "-1", "two"])
def test_no_cpu(text: str) -> None:
    with pytest.raises(_quantity.QuantityError, match=r"250m"):
        _quantity.cpu(text)


@pytest.mark.parametrize("text", ["512m", "0", "-1Gi", "2 GB"])
def test_no_memory(text: str) -> None:
    with pytest.raises(_quantity.QuantityError, match=r"512Mi"):
        _quantity.memory(text)


@pytest.mark.parametrize(("text", "size"), [("100MB", 100_000_000), ("2GB", 2_000_000_000), ("200000KB", 200_000_000)])
def test_redis_memory(text: str, size: int) -> None:
    assert _quantity.redis_memory(text) == size


@pytest.mark.parametrize("text", ["100M", "99MB", "1Gi", "", "-1GB"])
def test_no_redis_memory(text: str) -> None:
    with pytest.raises(_quantity.QuantityError, match=r"100MB"):
        _quantity.redis_memory(text)
