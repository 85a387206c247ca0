# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTML report as a browser shows it: headless Chromium, real clicks and keys, a phone, paper."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import browser as browsers
import pytest
from ansible_collections.azora.platform.plugins.module_utils._report_html import html_report

from . import azora_results as results
from .test_report_files import hostile

CUT = '.matrix .state[aria-label="5432: blocked, should be open"]'
PANEL = "#explanation"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browsers.Browser]:
    program = browsers.installed()
    if program is None:
        pytest.skip("The report's page is not looked at in a browser: install chromium (apt-get install chromium).")
    started = browsers.Browser(program, tmp_path_factory.mktemp("browser") / "profile")
    yield started
    started.close()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """The address of a sample's page."""
    directory = tmp_path_factory.mktemp("reports")
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "hostile": hostile,
        "many": lambda: results.with_many_services(40),
    }

    def address(name: str) -> str:
        path: pathlib.Path = directory / f"{name}.html"
        if not path.exists():
            maker = makers.get(name) or getattr(results, name)
            path.write_text(html_report(maker(), results.OCCASION), encoding="utf-8")
        return path.as_uri()

    return address


@pytest.fixture
def show(browser: browsers.Browser, reports: Callable[[str], str]) -> Iterator[Callable[..., browsers.Page]]:
    """Open a sample's page; at the end of the test the browser must have had nothing to complain of, and asked nobody."""
    opened: list[browsers.Page] = []

    def show(name: str, fragment: str = "", **screen: Any) -> browsers.Page:
        opened.append(browser.open(reports(name) + fragment, **screen))
        return opened[-1]

    yield show
    for page in opened:
        assert page.complaints() == []
        assert {url.split("#")[0] for url in page.requests()} <= {
            reports(name) for name in ("passing", "broken", "hostile", "many")
        }
        page.close()


def shown_rows(page: browsers.Page) -> list[str]:
    return page.texts(".matrix tbody tr th")


def test_what_failed_is_the_first_thing_to_see(show: Any) -> None:
    page = show("broken")
    assert page.texts("h1") == ["✕\nFAILED"]
    assert page.texts(".lead")[0].startswith("10 connections open that nothing declares, 1 declared connection blocked")
    first, *_rest = page.texts(".mismatches li")
    assert first.startswith("default/gateway can reach azora-es/analytics:9090 (http), which nothing declares")
    bottom = page("document.querySelector('.mismatches li').getBoundingClientRect().bottom")
    assert bottom < page("innerHeight")
    assert len(page.texts(".matrix .state.leak")) == 10
    assert page.texts(CUT) == ["B"]


def test_a_passing_platform_says_so_and_nothing_else(show: Any) -> None:
    page = show("passing")
    assert page.texts("h1") == ["✓\nPASSED"]
    assert page.texts(".mismatches li") == []
    assert set(page.texts(".matrix .state")) == {"●", "·"}


def test_a_click_explains_a_connection_and_the_address_keeps_it(show: Any) -> None:
    page = show("broken")
    assert page.texts(PANEL) == []
    page.click(CUT)
    (told,) = page.texts(PANEL)
    assert "default/user → azora-data/pg:5432" in told
    for words in (
        "blocked, should be open",
        "OPEN: user uses the database user of postgres",
        "BLOCKED",
        "no answer from pg-0, which listens on 5432",
        "27",
    ):
        assert words in told
    assert page("location.hash") == "#cell=default/user,azora-data/pg,5432"
    page.click(f"{PANEL} .close")
    assert page.texts(PANEL) == []
    assert page("location.hash") == ""
    page.click(".matrix .state.open")
    (told,) = page.texts(PANEL)
    assert "HTTP 200" in told
    assert re.search(r"Connect took\s+[\d.]+ ms", told)


def test_an_address_opens_the_page_as_it_was(show: Any) -> None:
    page = show("broken", "#only=mismatches&from=default&state=leak,cut&cell=default/user,azora-data/pg,5432")
    assert "no answer from pg-0" in page.texts(PANEL)[0]
    assert page("document.querySelector('form.filters').elements.only.checked") is True
    assert page("document.querySelector('form.filters').elements.from.value") == "default"
    assert len(page.texts('.legend button[aria-pressed="true"]')) == 2
    assert page.texts("output") == ["6 of 261 connections"]
    page(
        "new Promise((done) => { addEventListener('hashchange', done, {once: true}); location.hash = '#state=mute'; }).then(() => 0)"
    )
    assert page.texts("output") == ["2 of 261 connections"]
    assert page.texts(PANEL) == []


def test_filters_hide_rows_and_columns(show: Any) -> None:
    page = show("broken")
    assert len(shown_rows(page)) == 11
    page.click("form.filters [name=only]")
    assert page.texts("output") == ["47 of 261 connections"]
    assert page("location.hash") == "#only=mismatches"
    page.click('.legend button[data-state="cut"]')
    assert shown_rows(page) == ["default/user"]
    assert page.texts(".matrix thead tr:first-child th:not(.corner)") == ["azora-data/pg"]
    assert page.texts(".matrix thead tr:last-child th") == ["5432"]
    assert len(page.texts("table.connections tbody tr")) == 1
    page.click('form.filters button[type="reset"]')
    assert len(shown_rows(page)) == 11
    assert page("location.hash") == ""
    page("document.querySelector('form.filters').elements.text.focus()")
    page.write("rec 12000")
    assert page.texts(".matrix thead tr:last-child th") == ["12000"]
    assert len(page.texts("table.connections tbody tr")) == 3  # session's own, llm-wrapper's, what bus could not tell
    assert page("location.hash") == "#text=rec%2012000"
    page.write(" nowhere")
    assert page.texts(".none") == ["No connection is like that."]
    assert shown_rows(page) == []


@pytest.mark.parametrize("screen", [{"width": 1280, "height": 900}, {"width": 360, "height": 780, "phone": True}])
def test_the_explanation_does_not_lie_on_what_it_explains(show: Any, screen: dict[str, Any]) -> None:
    page = show("broken", **screen)
    for place in ("tr:first-child td:nth-child(4)", "tr:last-child td:last-child"):
        page.click(f".matrix tbody {place} .state")
        square, panel = (
            page(f"document.querySelector('{one}').getBoundingClientRect().toJSON()")
            for one in ('.state[aria-current="true"]', PANEL)
        )
        assert (
            square["right"] < panel["left"]
            or square["left"] > panel["right"]
            or square["bottom"] < panel["top"]
            or square["top"] > panel["bottom"]
        )
        page.press("Escape")


def test_keys_move_through_the_matrix_and_the_explanation_follows(show: Any) -> None:
    page = show("broken")
    page("document.querySelector('.matrix .state[tabindex=\"0\"]').focus()")
    page.press("ArrowRight")
    page.press("Enter")
    assert "default/gateway → default/user:9090" in page.texts(PANEL)[0]
    page.press("ArrowDown")  # over the place where user meets itself
    assert "default/course → default/user:9090" in page.texts(PANEL)[0]
    page.press("End")
    assert "default/course → 198.51.100.10:443" in page.texts(PANEL)[0]
    page.press("Escape")
    assert page.texts(PANEL) == []
    assert page("document.activeElement.matches('.matrix .state')") is True


def test_a_mismatch_leads_to_its_explanation_and_a_cause_to_its_connections(show: Any) -> None:
    page = show("broken")
    page.click(".mismatches a[data-row]")
    assert "default/gateway → azora-es/analytics:9090" in page.texts(PANEL)[0]
    page.click(f"{PANEL} .close")
    page.click('label[for="more"]')
    page.click('.mismatches a[href^="#state=unknown"]')
    assert page.texts("output") == ["24 of 261 connections"]


def test_the_graph_explains_an_edge_and_filters_by_a_node(show: Any) -> None:
    page = show("broken")
    page.click(".badge.cut circle")
    assert "default/user → azora-data/pg:5432" in page.texts(PANEL)[0]
    page.press("Escape")
    page.click('.node[data-id="azora-data/pg"] rect')
    assert page("location.hash") == "#text=azora-data/pg"
    assert page("document.querySelector('.edge.leak').classList.contains('dim')") is True


def test_long_lists_unfold(show: Any) -> None:
    page = show("broken")
    folded = len(page.texts(".mismatches li"))
    page.click('label[for="more"]')
    assert len(page.texts(".mismatches li")) == 34 > folded


@pytest.mark.parametrize("name", ["broken", "hostile", "many"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_wider_than_the_screen(show: Any, name: str, width: int) -> None:
    page = show(name, width=width, height=780, phone=width < 500)
    assert page("document.documentElement.scrollWidth") <= width
    assert page("document.body.scrollWidth") <= width
    # What is wide scrolls in a frame of its own.
    assert (
        page("document.querySelector('.matrix').scrollWidth") > page("document.querySelector('.matrix').clientWidth")
        or width > 500
    )
    page.click(".matrix .state")
    assert page(f"document.querySelector('{PANEL}').getBoundingClientRect().right") <= width


def test_names_stay_in_sight_while_the_matrix_scrolls(show: Any) -> None:
    page = show("many")
    page("document.querySelector('.matrix').scrollTo({left: 500, top: 300, behavior: 'instant'})")
    frame = page("document.querySelector('.matrix').getBoundingClientRect().toJSON()")
    corner = page("document.querySelector('.matrix .corner').getBoundingClientRect().toJSON()")
    head = page("document.querySelector('.matrix tbody tr:nth-child(20) th').getBoundingClientRect().toJSON()")
    assert (corner["x"] - frame["x"], corner["y"] - frame["y"]) == (1, 1)  # the frame's own line
    assert head["x"] - frame["x"] == 1


def test_a_hostile_cluster_gets_nothing_to_run(show: Any) -> None:
    page = show("hostile")
    assert page("typeof hacked") == "undefined"
    page.click(".matrix .state.cut")
    assert "<script>hacked=1</script>" in page.texts(PANEL)[0]
    assert page("document.querySelectorAll('img').length") == 0
    assert page("document.scripts.length") == 2


def test_without_script_everything_is_said(show: Any) -> None:
    page = show("broken", script=False)
    assert page.texts("h1") == ["✕\nFAILED"]
    assert len(page.texts(".matrix .state")) == 261
    assert page.texts(".filters") == []
    # A mismatch leads to its line of the list.
    target = page("document.querySelector('.mismatches a[data-row]').getAttribute('href')")
    assert "azora-es/analytics:9090" in page.texts(f"tr{target}")[0]
    page.click('label[for="more"]')
    assert len(page.texts(".mismatches li")) == 34


def test_in_the_dark_it_is_dark_and_on_paper_light(show: Any) -> None:
    page = show("broken", dark=True)
    ground = "getComputedStyle(document.body).backgroundColor"
    assert max(map(int, re.findall(r"\d+", page(ground)))) < 64
    page.media("print")
    assert page(ground) == "rgb(255, 255, 255)"


def test_paper_has_everything(show: Any) -> None:
    page = show("broken", "#only=mismatches&state=cut&text=user&cell=default/user,azora-data/pg,5432")
    page.media("print")
    assert len(page.texts(".mismatches li")) == 34
    assert len(shown_rows(page)) == 11
    assert len(page.texts(".matrix .state")) == 261
    assert len(page.texts("table.connections tbody tr")) == 29 + 44  # declared, and not as declared
    assert len(page.texts("table.workloads tbody")) == 11
    assert page.texts(".filters") == page.texts(PANEL) == []
    assert page("getComputedStyle(document.querySelector('.matrix thead')).position") == "static"
    paper = page.pdf()
    assert paper.startswith(b"%PDF-")
    assert len(re.findall(rb"/Type\s*/Page\b", paper)) > 1


def test_a_wide_matrix_is_whole_on_paper(show: Any) -> None:
    widths = {round(float(width)) for width in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+)", show("many").pdf())}
    assert min(widths) == 595  # A4, for all the rest
    assert max(widths) > 1200


def test_everything_that_acts_can_be_reached_and_has_a_name(show: Any) -> None:
    page = show("broken")
    nameless = page(
        "[...document.querySelectorAll('button, input, select, [tabindex=\"0\"]')].filter((one) => !(one.getAttribute('aria-label')"
        " || one.getAttribute('aria-labelledby') || one.innerText.trim() || (one.labels && one.labels.length))).map((one) => one.outerHTML)"
    )
    assert nameless == []
    assert page("document.querySelectorAll('.matrix .state[tabindex=\"0\"]').length") == 1
    headed = page("[...document.querySelectorAll('main table th')].filter((one) => !one.scope).length")
    assert headed == 0
    page("document.querySelector('.matrix .state[tabindex=\"0\"]').focus()")
    page.press("ArrowRight")
    assert page("getComputedStyle(document.activeElement).outlineStyle") == "solid"
