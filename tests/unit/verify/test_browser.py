# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The browser that tests look at pages with: it waits for changes of a page, and reaches no host that it was not told of."""

from __future__ import annotations

import http.server
import pathlib
import threading
from collections.abc import Callable, Iterator

import browser as browsers
import pytest

PAGE = b"""<!doctype html><link rel="icon" href="data:,"><title>Late</title><p>empty</p>
<script>addEventListener("click", () => requestAnimationFrame(() => { document.querySelector("p").innerText = "rendered"; }));</script>"""


class Site(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()


@pytest.fixture
def start(tmp_path: pathlib.Path) -> Iterator[Callable[..., browsers.Browser]]:
    program = browsers.installed()
    if program is None:
        pytest.skip("No browser is looked through: install chromium (apt-get install chromium).")
    started: list[browsers.Browser] = []

    def start(*reaches: str) -> browsers.Browser:
        started.append(browsers.Browser(program, tmp_path / f"profile-{len(started)}", reaches=reaches))
        return started[-1]

    yield start
    for one in started:
        one.close()


def test_a_change_is_waited_for(start: Callable[..., browsers.Browser], site: str) -> None:
    page = start("127.0.0.1").open(site)
    rendered = "document.querySelector('p').innerText === 'rendered'"
    with pytest.raises(browsers.BrowserError, match=r"not within 1 s; the page shows: empty"):
        page.until(rendered, seconds=1)
    page.click("p")
    page.until(rendered)
    assert page.texts("p") == ["rendered"]
    # What is true already, though it is nothing that could be handed over.
    page.until("document.querySelector('p')", seconds=1)
    assert page.complaints() == []


def test_only_what_was_named_is_reached(start: Callable[..., browsers.Browser], site: str) -> None:
    assert start("127.0.0.1").open(site).texts("p") == ["empty"]
    for reaches in ((), ("127.0.0.2",)):
        assert start(*reaches).open(site).texts("p") != ["empty"]
