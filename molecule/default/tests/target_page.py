# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prometheus' page of targets as somebody reads it in a browser, and what its API says of the same targets."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import browser as browsers

ROWS = "document.querySelectorAll('.mantine-Accordion-panel tbody tr:has(td .mantine-Badge-root)')"
# In a pool of more than fifty, the rest comes when somebody scrolls there.
UNFINISHED = "document.querySelector('.infinite-scroll-component h4')"
READ = f"""[...{ROWS}].map((row) => [
    row.closest('.mantine-Accordion-item').querySelector('.mantine-Accordion-label p').innerText,
    row.cells[0].querySelector('a').getAttribute('href'),
    [...row.cells[1].querySelectorAll('span')].map((label) => label.innerText).filter(Boolean),
    row.cells[3].innerText.trim(),
])"""


class Target(NamedTuple):
    pool: str
    address: str
    labels: tuple[str, ...]
    state: str


def expected(answer: dict[str, Any]) -> list[Target]:
    """Of the API's answer to /api/v1/targets, what the page should show."""
    return sorted(
        Target(
            target["scrapePool"],
            target["globalUrl"],
            tuple(
                sorted(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in target["labels"].items())
            ),
            target["health"].upper(),
        )
        for target in answer["activeTargets"]
    )


def open_page(browser: browsers.Browser, address: str, pools: set[str]) -> browsers.Page:
    """The page with each of these pools opened, and the whole of each."""
    # As if "All pools" had been chosen, for of more than twenty it shows only the first by itself.
    page = browser.open(f"{address}/targets?pool=", height=1400)
    wanted = json.dumps(sorted(pools))
    names = "[...document.querySelectorAll('.mantine-Accordion-label p:first-child')].map((one) => one.innerText)"
    page.until(f"(() => {{ const names = {names}; return {wanted}.every((pool) => names.includes(pool)); }})()")
    closed = '.mantine-Accordion-control[aria-expanded="false"]'
    while left := page(f"document.querySelectorAll({json.dumps(closed)}).length"):
        page.click(closed)
        page.until(f"document.querySelectorAll({json.dumps(closed)}).length < {left}")
    page.until(
        "[...document.querySelectorAll('.mantine-Accordion-panel')].every((one) => one.querySelector('tbody tr'))"
    )
    while page(f"!!{UNFINISHED}"):
        there = page(f"{ROWS}.length")
        page(
            f"{{ const list = {UNFINISHED}.closest('.infinite-scroll-component'); list.scrollTop = list.scrollHeight; }}"
        )
        page.until(f"{ROWS}.length > {there} || !{UNFINISHED}")
    return page


def differences(there: list[Target], declared: list[Target]) -> list[str]:
    """What the page shows otherwise than the API says, and what is not up."""
    return [
        *(f"not on the page: {target}" for target in declared if target not in there),
        *(f"only on the page: {target}" for target in there if target not in declared),
        *(f"not UP: {target}" for target in there if target.state != "UP"),
    ]


def shown(page: browsers.Page) -> list[Target]:
    return sorted(Target(pool, address, tuple(sorted(labels)), state) for pool, address, labels, state in page(READ))
