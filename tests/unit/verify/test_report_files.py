# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The reports as text: what programs, build servers, code scanning and browsers get to read."""

from __future__ import annotations

import base64
import copy
import datetime
import hashlib
import html.parser
import json
import os
import pathlib
import re
import stat
from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils import _report_graph, _verification_report_files
from ansible_collections.azora.platform.plugins.module_utils._report import matrix_lines
from ansible_collections.azora.platform.plugins.module_utils._report_html import html_report
from ansible_collections.azora.platform.plugins.module_utils._report_json import json_report
from ansible_collections.azora.platform.plugins.module_utils._report_junit import junit_report
from ansible_collections.azora.platform.plugins.module_utils._report_markup import element, escaped, script_data
from ansible_collections.azora.platform.plugins.module_utils._report_metrics import metrics_report
from ansible_collections.azora.platform.plugins.module_utils._report_sarif import RULES, sarif_report
from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    COLLECTION_VERSION,
    STATES,
    headline,
    lead,
    printable,
    state_of,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import VerificationError
from ansible_collections.azora.platform.plugins.module_utils._verification_report_files import (
    FORMATS,
    refuse_unwritable,
    report_paths,
    write_reports,
)
from prometheus_client.parser import text_string_to_metric_families

from . import azora_results as results

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
SAMPLES = ("passing", "policy_removed", "allow_all", "silent_health", "inconclusive", "broken")
# What ends scripts, comments, attributes and sections of XML, what no XML may carry, what turns writing around, half a character.
NASTY = "</script><script>hacked=1</script><!--]]>\"'><img src=x onerror=hacked=1>&amp;\x00\x1b\u202e\ud800${x}{{x}}"


@pytest.fixture(scope="module", params=SAMPLES)
def sample(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(getattr(results, request.param)())


@pytest.fixture(scope="module")
def broken() -> dict[str, Any]:
    return results.broken()


def hostile() -> dict[str, Any]:
    """A result in which every text that comes from a cluster is hostile."""

    def spoilt(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: spoilt(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [spoilt(item, key) for item in value]
        fixed = ("check", "checks", "verdict", "expected", "found", "application", "protocol", "kind", "outcome")
        return value + NASTY if isinstance(value, str) and value != "*" and key not in fixed else value

    return dict(spoilt(results.broken()))


# ---- words --------------------------------------------------------------------------------------------------------


def test_the_version_told_is_the_collections() -> None:
    assert yaml.safe_load((CHECKOUT / "galaxy.yml").read_text())["version"] == COLLECTION_VERSION


@pytest.mark.parametrize(
    ("name", "word", "sentence"),
    [
        (
            "passing",
            "PASSED",
            "All 25 pods are ready and answer their declared probes, and of 261 connections exactly the 29 declared ones are open.",
        ),
        ("policy_removed", "FAILED", "1 declared connection blocked."),
        (
            "inconclusive",
            "INCOMPLETE",
            "Nothing was seen to be wrong, but 66 of 261 connections could not be judged."
            " What could not be looked at does not pass.",
        ),
        (
            "broken",
            "FAILED",
            "10 connections open that nothing declares, 1 declared connection blocked, 2 connections without an answer"
            " and 4 workloads not in order. 34 of 261 connections could not be judged.",
        ),
    ],
)
def test_the_headline_and_what_it_rests_on(name: str, word: str, sentence: str) -> None:
    result = getattr(results, name)()
    assert (headline(result), lead(result)) == (word, sentence)


def test_only_what_was_checked_is_praised() -> None:
    assert lead(results.verified(checks=["probes"])) == "All 25 pods are ready and answer their declared probes."
    assert (
        lead(results.verified(checks=["connectivity"])) == "Of 261 connections exactly the 29 declared ones are open."
    )


def test_what_cannot_be_seen_is_written_out() -> None:
    assert printable("a\x00b\x1b[1m\u202e\ud800\ufffe\n") == "a\\u0000b\\u001b[1m\\u202e\\ud800\\ufffe\n"
    assert printable("naïve → 漢字") == "naïve → 漢字"


# ---- JSON ---------------------------------------------------------------------------------------------------------


def test_json_is_the_result_with_its_schema_and_time(sample: dict[str, Any]) -> None:
    told = json.loads(json_report(sample, results.OCCASION))
    assert told["schema"] == "azora.platform/verification/1"
    assert (told["time"], told["cluster"]) == ("2026-11-24T10:42:07Z", "https://10.155.128.2:6443")
    assert "table" not in told
    for key in ("passed", "complete", "checks", "summary", "workloads", "connections", "mismatches", "touched_pods"):
        assert told[key] == sample[key]


def test_json_is_the_same_for_the_same_result(broken: dict[str, Any]) -> None:
    assert json_report(broken, results.OCCASION) == json_report(copy.deepcopy(broken), results.OCCASION)
    assert json_report(broken, results.OCCASION).isascii()


# ---- JUnit --------------------------------------------------------------------------------------------------------


def junit(result: dict[str, Any]) -> ElementTree.Element:
    return ElementTree.fromstring(junit_report(result, results.OCCASION).encode())


def test_junit_has_the_structure_that_build_servers_read(sample: dict[str, Any]) -> None:
    total = junit(sample)
    assert total.tag == "testsuites"
    sums: Counter[str] = Counter()
    for suite in total:
        assert suite.tag == "testsuite"
        assert suite.attrib.keys() >= {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}
        assert suite[0].tag == "properties"
        assert suite.find("properties/property[@name='headline']").get("value") == headline(sample)  # type: ignore[union-attr]
        cases = suite.findall("testcase")
        assert len(cases) == len(suite) - 1 > 0
        for case in cases:
            assert case.attrib.keys() == {"classname", "name", "time"}
            assert float(case.attrib["time"]) >= 0
            assert case.attrib["classname"].startswith(f"{suite.get('name')}.")
            for outcome in case:
                assert outcome.tag in ("failure", "error", "skipped", "system-out")
                assert outcome.text if outcome.tag == "system-out" else outcome.get("message")
        counted = {
            "tests": len(cases),
            **{
                name: len(suite.findall(f"testcase/{tag}"))
                for name, tag in (("failures", "failure"), ("errors", "error"))
            },
            "skipped": len(suite.findall("testcase/skipped")),
        }
        assert {name: int(suite.attrib[name]) for name in counted} == counted
        sums.update(counted)
    assert {name: int(total.attrib[name]) for name in sums} == dict(sums)
    names = [(case.get("classname"), case.get("name")) for case in total.iter("testcase")]
    assert len(set(names)) == len(names)


def test_junit_passes_exactly_when_the_verification_does(sample: dict[str, Any]) -> None:
    total = junit(sample)
    assert (total.get("failures") == total.get("errors") == "0") is sample["passed"]
    told = "\n".join(
        line for case in total.iter("testcase") for one in case if one.tag != "system-out" for line in [one.text or ""]
    )
    for mismatch in sample["mismatches"]:
        # A mismatch of many connections is told by each of them, with the same reason.
        assert (
            mismatch["sentence"] if "*" not in (mismatch["source"], mismatch["destination"]) else mismatch["reason"]
        ) in told


def test_junit_has_a_case_for_each_connection_and_workload(broken: dict[str, Any]) -> None:
    suites = {suite.get("name"): suite for suite in junit(broken)}
    assert list(suites) == ["enforcement", "readiness", "probes", "prober", "dns", "connectivity"]
    assert suites["connectivity"].get("tests") == "261"
    assert suites["readiness"].get("tests") == "11"
    assert suites["probes"].get("tests") == "8"  # of stores the vendors' operators choose the probes
    cut = suites["connectivity"].find("testcase[@name='default/user reaches azora-data/pg:5432']")
    assert cut is not None
    assert cut.get("classname") == "connectivity.default/user"
    assert cut.find("failure").get("message").startswith("default/user cannot reach azora-data/pg:5432")  # type: ignore[union-attr]


def test_junit_calls_what_could_not_be_judged_an_error() -> None:
    result = results.inconclusive()
    total = junit(result)
    assert (total.get("failures"), int(total.get("errors") or 0)) == ("0", 66 + 2)  # and the probers of two stores
    unknown = total.findall(".//testcase[@classname='connectivity.azora-data/pg']")
    assert len(unknown) == 24
    assert all(case.find("error") is not None for case in unknown)
    assert "this user may not patch pods/ephemeralcontainers" in unknown[0].find("error").get("message")  # type: ignore[union-attr,operator]


def test_junit_skips_what_nobody_was_asked_about() -> None:
    result = results.passing()
    for pod in result["workloads"][1]["pods"]:
        pod["answers"] = []
    (case,) = [case for case in junit(result).iter("testcase") if case.find("skipped") is not None]
    assert case.get("classname") == "probes.default/user"


def test_junit_does_not_pass_a_pod_whose_prober_did_not_report() -> None:
    said = "the prober in default/user-x did not report in time"
    result = results.passing()
    result["workloads"][1]["pods"][0]["answers"][0].update(ok=False, status=None, error=said)
    finding = {"check": "prober", "source": "default/user", "destination": "default/user-x", "port": None}
    result["mismatches"] = [
        {**finding, "expected": "a report", "found": "INCONCLUSIVE", "reason": said, "sentence": said}
    ]
    total = junit(result)
    assert (total.get("failures"), total.get("errors")) == ("0", "2")
    errors = [case.get("classname") for case in total.iter("testcase") if case.find("error") is not None]
    assert errors == ["probes.default/user", "prober.default/user"]


@pytest.mark.parametrize("checks", [["probes"], ["connectivity"]])
def test_junit_has_no_case_for_what_was_not_checked(checks: list[str]) -> None:
    suites = {suite.get("name") for suite in junit(results.verified(checks=checks))}
    expected = {
        "probes": {"readiness", "probes", "prober"},
        "connectivity": {"enforcement", "prober", "dns", "connectivity"},
    }
    assert suites == expected[checks[0]]


def test_junit_loses_no_check_it_does_not_know() -> None:
    result = results.passing()
    finding = {
        "check": "weather",
        "source": "sky",
        "destination": "*",
        "port": None,
        "expected": "sun",
        "found": "rain",
    }
    result["mismatches"] = [{**finding, "reason": "clouds", "sentence": "it rains"}]
    (suite,) = [suite for suite in junit(result) if suite.get("name") == "weather"]
    assert suite.find("testcase/failure").get("message") == "it rains"  # type: ignore[union-attr]


def test_junit_is_well_formed_whatever_a_cluster_says() -> None:
    total = junit(hostile())
    message = total.find(".//failure").get("message") or ""  # type: ignore[union-attr]
    assert "<script>hacked=1</script><!--]]>" in message
    assert "\\u0000\\u001b\\u202e\\ud800" in message


# ---- SARIF --------------------------------------------------------------------------------------------------------


def sarif(result: dict[str, Any]) -> dict[str, Any]:
    document = json.loads(sarif_report(result, results.OCCASION))
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-schema-2.1.0.json")
    (run,) = document["runs"]
    return dict(run)


def test_sarif_has_a_result_for_each_mismatch(sample: dict[str, Any]) -> None:
    run = sarif(sample)
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("azora.platform verify", COLLECTION_VERSION)
    assert [rule["id"] for rule in driver["rules"]] == [rule.check for rule in RULES]
    assert all(rule["help"]["text"] and rule["shortDescription"]["text"] for rule in driver["rules"])
    assert len(run["results"]) == len(sample["mismatches"])
    for result, mismatch in zip(run["results"], sample["mismatches"], strict=True):
        assert result["ruleId"] == driver["rules"][result["ruleIndex"]]["id"] == mismatch["check"]
        assert result["level"] == ("warning" if mismatch["found"] == "INCONCLUSIVE" else "error")
        assert result["message"]["text"] == mismatch["sentence"]
        (location,) = result["locations"]
        names = [one["fullyQualifiedName"] for one in location["logicalLocations"]]
        assert names == (
            list(dict.fromkeys(end for end in (mismatch["source"], mismatch["destination"]) if end != "*"))
            or ["cluster"]
        )
        assert location["physicalLocation"]["artifactLocation"]["uri"] == names[0]
        assert location["physicalLocation"]["region"] == {"startLine": 1}
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_fingerprints_tell_faults_apart_and_stay_the_same(sample: dict[str, Any]) -> None:
    def fingerprints(result: dict[str, Any]) -> list[str]:
        return [one["partialFingerprints"]["azoraVerification/v1"] for one in sarif(result)["results"]]

    first = fingerprints(sample)
    assert len(set(first)) == len(first)
    later = copy.deepcopy(sample)
    for mismatch in later["mismatches"]:
        # In the next run the pods have other names, and what times out today may refuse tomorrow.
        for key in ("destination", "reason", "sentence"):
            mismatch[key] = re.sub(r"-[0-9a-f]{9}-[0-9a-f]{5}\b", "-other", mismatch[key])
        mismatch["found"] = mismatch["found"].replace("timeout", "refused")
    assert fingerprints(later) == first


def test_sarif_keeps_what_pods_say_out_of_links() -> None:
    result = results.policy_removed()
    result["mismatches"][0].update(sentence="[see](https://bad.example) ü", source="default/ü b")
    (finding,) = sarif(result)["results"]
    assert finding["message"]["text"] == "[see] (https://bad.example) ü"
    assert finding["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "default/%C3%BC%20b"


def test_sarif_of_a_hostile_cluster_is_still_json() -> None:
    run = sarif(hostile())
    assert "\x1b" not in json.dumps(run, ensure_ascii=False)
    assert re.fullmatch(r"[\w.~/%-]+", run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"])


# ---- HTML ---------------------------------------------------------------------------------------------------------


class Tree(html.parser.HTMLParser):
    """Every element with its attributes and its text, as a browser would take them from the text."""

    VOID = {"meta", "input", "br"}

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open:
            self.texts.append((self.open[-1], data))

    def of(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [
            found
            for name, found in self.elements
            if name == tag
            and all(value in (found.get(key.rstrip("_")) or "").split() for key, value in attributes.items())
        ]

    def text(self, tag: str) -> str:
        return "".join(text for name, text in self.texts if name == tag)


def page(result: dict[str, Any]) -> Tree:
    tree = Tree(html_report(result, results.OCCASION))
    assert tree.open == []
    return tree


def test_the_page_asks_nobody_for_anything(sample: dict[str, Any]) -> None:
    text = html_report(sample, results.OCCASION)
    tree = Tree(text)
    assert not {tag for tag, _attributes in tree.elements} & {
        "link",
        "img",
        "iframe",
        "object",
        "embed",
        "base",
        "video",
        "audio",
    }
    attributes = [(tag, name, value) for tag, found in tree.elements for name, value in found.items()]
    assert [
        one for one in attributes if one[1] in ("src", "srcset", "style", "action") or one[1].startswith("on")
    ] == []
    assert all((value or "").startswith("#") for _tag, name, value in attributes if name in ("href", "xlink:href"))
    assert not re.search(r"@import|url\((?!#tip-)", text)


def test_the_pages_policy_names_its_style_and_script_and_nothing_else(broken: dict[str, Any]) -> None:
    text = html_report(broken, results.OCCASION)
    policy = dict(
        part.strip().split(" ", 1)
        for part in str(Tree(text).of("meta", **{"http-equiv": "Content-Security-Policy"})[0]["content"]).split(";")
    )
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("form-action") == "'none'"
    for directive, pattern in (("style-src", r"<style>(.*?)</style>"), ("script-src", r"<script>(.*?)</script>")):
        (found,) = re.findall(pattern, text, re.DOTALL)
        assert policy.pop(directive) == f"'sha256-{base64.b64encode(hashlib.sha256(found.encode()).digest()).decode()}'"
    assert policy == {}


def test_the_page_says_first_how_it_went_and_names_each_mismatch(sample: dict[str, Any]) -> None:
    text = html_report(sample, results.OCCASION)
    tree = Tree(text)
    assert headline(sample) in tree.text("h1")
    assert lead(sample) in tree.text("p")
    for mismatch in sample["mismatches"]:
        assert escaped(mismatch["sentence"]) in text
    if sample["mismatches"]:
        assert text.index("</h1>") < text.index('id="mismatches-title"') < text.index('id="matrix-title"')


def test_the_matrix_is_the_one_of_the_console(sample: dict[str, Any]) -> None:
    """The same signs in the same places, without any script."""
    squares = page(sample).of("button", class_="state")
    assert len(squares) == len(sample["connections"])
    of_page = Counter(
        (row["source"], state.sign)
        for square in squares
        for row in [sample["connections"][int(str(square["data-row"]))]]
        for state in STATES
        if f"state {state.name}" == square["class"]
    )
    console = matrix_lines(sample["connections"])
    for line in console[1:12]:
        source, _space, signs = line.partition(" ")
        assert Counter(signs.replace(" ", "")) == Counter(
            {sign: count for (one, sign), count in of_page.items() if one == source}
        )


def test_the_data_of_the_page_explains_each_connection(broken: dict[str, Any]) -> None:
    text = html_report(broken, results.OCCASION)
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    told = json.loads(data)
    assert len(told["rows"]) == 261
    for row, connection in zip(told["rows"], broken["connections"], strict=True):
        texts = [told["texts"][index] if index >= 0 else "" for index in row[:4]]
        assert texts[:3] == [connection["source"], connection["destination"], str(connection["port"])]
        assert told["states"][row[4]]["name"] == state_of(connection).name
        assert told["states"][row[4]]["verdict"] == connection["verdict"]
        assert told["texts"][row[5]] == connection["reason"]
        assert (row[8], row[9], bool(row[10])) == (
            connection["milliseconds"],
            connection["attempts"],
            connection["allowed"],
        )


def test_nothing_from_a_cluster_becomes_markup_or_script() -> None:
    text = html_report(hostile(), results.OCCASION)
    tree = page(hostile())
    assert [found.get("type") for found in tree.of("script")] == ["application/json", None]
    assert tree.of("img") == []
    assert "hacked=1" not in tree.text("script").replace("u003cscript\\u003ehacked=1", "").replace(
        "onerror=hacked=1", ""
    )
    assert not [name for _tag, found in tree.elements for name in found if name.startswith("on")]
    assert text.count("<!--") == 0
    assert "]]>" not in text
    assert all(one == "\n" or one.isprintable() for one in text)
    # The frame and the filters are templates; what is put in is not read as one again.
    assert "${x}{{x}}" in text


def test_markup_escapes_what_is_no_markup() -> None:
    assert element("p", "<b>", element("b", "&"), title='"<') == '<p title="&quot;&lt;">&lt;b&gt;<b>&amp;</b></p>'
    assert element("p", element("b", "x") + "<") == "<p><b>x</b>&lt;</p>"
    assert element("input", disabled=True, hidden=False, value=None, data_row=3) == '<input disabled data-row="3">'
    assert script_data({"</script>": "<!--\u2028"}) == '{"\\u003c/script\\u003e":"\\u003c!--\\\\u2028"}'


def test_a_verification_of_probes_alone_has_no_matrix() -> None:
    tree = page(results.verified(checks=["probes"]))
    assert tree.of("table", class_="connections") == tree.of("div", class_="matrix") == tree.of("svg") == []
    assert len(tree.of("table", class_="workloads")) == 1


def test_one_reason_of_several_pods_is_told_once() -> None:
    result = results.inconclusive()
    sentence = "this user may not patch pods/ephemeralcontainers in azora-data"
    same = [mismatch for mismatch in result["mismatches"] if mismatch["sentence"] == sentence]
    text = html_report(result, results.OCCASION)
    assert len(same) == 4
    assert f"<li>{sentence}<span" in text
    assert "4 times" in text


def test_a_wide_matrix_gets_paper_of_its_size() -> None:
    assert "@page matrix { size:" not in html_report(results.passing(), results.OCCASION)
    assert "@page matrix { size:" in html_report(results.with_many_services(20), results.OCCASION)


# ---- the graph ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=[*SAMPLES, "many"])
def drawn(request: pytest.FixtureRequest) -> _report_graph.Picture:
    result = results.with_many_services(40) if request.param == "many" else getattr(results, request.param)()
    return _report_graph.picture(result["connections"])


def test_nodes_stand_apart_and_within_the_picture(drawn: _report_graph.Picture) -> None:
    for one, other in combinations(drawn.nodes, 2):
        assert (
            one.x + one.width <= other.x
            or other.x + other.width <= one.x
            or abs(one.y - other.y) >= _report_graph.NODE_HEIGHT
        )
    for node in drawn.nodes:
        assert 0 <= node.x < node.x + node.width <= drawn.width
        assert 0 <= node.y - _report_graph.NODE_HEIGHT / 2 < node.y + _report_graph.NODE_HEIGHT / 2 <= drawn.height
        (band,) = [band for band in drawn.bands if band.namespace == node.namespace]
        assert band.x <= node.x < node.x + node.width <= band.x + band.width


def test_no_edge_runs_through_a_node_of_another(drawn: _report_graph.Picture) -> None:
    for edge in drawn.edges:
        for lane in edge.lanes:
            for node in drawn.nodes:
                apart = node.x + node.width <= lane.x or lane.x + lane.width <= node.x
                assert apart or abs(node.y - lane.y) >= _report_graph.NODE_HEIGHT / 2


def test_the_graph_has_the_declared_connections_and_the_faults(broken: dict[str, Any]) -> None:
    drawn = _report_graph.picture(broken["connections"])
    states = {(edge.source.identity, edge.destination.identity): edge.state for edge in drawn.edges}
    declared = {(row["source"], row["destination"]) for row in broken["connections"] if row["allowed"]}
    assert set(states) >= declared
    assert states["default/user", "azora-data/pg"] == "cut"
    assert states["default/user", "azora-es/analytics"] == "leak"  # 8080 is declared, 9090 is open all the same
    assert states["default/gateway", "default/session"] == "mute"
    assert states["azora-es/analytics", "azora-data/bus"] == "open"
    # What is denied and could not be judged is no connection.
    assert ("azora-data/bus", "azora-data/pg") not in states
    gateway, user = (next(node for node in drawn.nodes if node.name == name) for name in ("gateway", "user"))
    assert gateway.x < user.x  # callers stand left of the called
    assert [band.namespace for band in drawn.bands][-1] == _report_graph.OUTSIDE


def test_too_many_undeclared_connections_are_counted_and_not_drawn() -> None:
    drawn = _report_graph.picture(results.allow_all()["connections"])
    assert drawn.left_out > _report_graph.MOST_UNDECLARED
    assert f"{drawn.left_out} pairs of workloads" in html_report(results.allow_all(), results.OCCASION)


def test_the_same_result_gives_the_same_page(broken: dict[str, Any]) -> None:
    assert html_report(broken, results.OCCASION) == html_report(copy.deepcopy(broken), results.OCCASION)


# ---- files --------------------------------------------------------------------------------------------------------


def metrics(result: dict[str, Any]) -> dict[str, float]:
    """The samples by name and labels, read by Prometheus' own client."""
    families = text_string_to_metric_families(metrics_report(result, results.OCCASION))
    return {
        one.name + "".join(f"{{{key}={value}}}" for key, value in one.labels.items()): one.value
        for family in families
        for one in family.samples
    }


def test_metrics_say_what_the_result_says(sample: dict[str, Any]) -> None:
    found = metrics(sample)
    assert found["azora_verification_passed"] == (headline(sample) == "PASSED")
    wrong = [one for one in sample["mismatches"] if one["found"] != "INCONCLUSIVE"]
    for name, count in (("findings", len(wrong)), ("inconclusive", len(sample["mismatches"]) - len(wrong))):
        assert sum(value for key, value in found.items() if key.startswith(f"azora_verification_{name}{{")) == count
    connections = [value for key, value in found.items() if key.startswith("azora_verification_connections{")]
    assert sum(connections) == len(sample["connections"])
    moment = datetime.datetime.fromisoformat(results.OCCASION.time)
    assert found["azora_verification_time_seconds"] == moment.timestamp()


def test_metrics_name_every_check_so_that_an_alert_ends() -> None:
    found = metrics(results.passing())
    assert {f"azora_verification_findings{{check={rule.check}}}" for rule in RULES} <= set(found)


def test_the_ending_chooses_the_format(tmp_path: pathlib.Path, broken: dict[str, Any]) -> None:
    names = ["a.json", "b.xml", "c.sarif", "d.sarif.json", "e.html", "F.HTML"]
    given = [str(tmp_path / name) for name in names]
    assert write_reports(report_paths(given), broken, results.OCCASION) == (given, [])
    begins = {name: (tmp_path / name).read_text(encoding="utf-8")[:40] for name in names}
    assert "azora.platform/verif" in begins["a.json"]
    assert begins["b.xml"].startswith("<?xml")
    assert "$schema" in begins["c.sarif"]
    assert begins["d.sarif.json"] == begins["c.sarif"]
    assert begins["e.html"].startswith("<!doctype html>")
    assert begins["F.HTML"] == begins["e.html"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o644}
    assert {path.name for path in tmp_path.iterdir()} == set(names)


def test_paths_are_absolute_and_each_once(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert report_paths(["a.json", str(tmp_path / "a.json"), ""]) == [str(tmp_path / "a.json")]
    assert report_paths(None) == report_paths([]) == []


def test_another_ending_is_refused() -> None:
    with pytest.raises(VerificationError) as refused:
        report_paths(["/srv/report.html", "/srv/report.pdf"])
    assert str(refused.value) == (
        "report_path /srv/report.pdf ends in none of .json, .xml (JUnit), .sarif, .html and .prom, so its format is not known"
    )


def test_where_nothing_can_be_written_is_said_before(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "page.html").mkdir()
    refusals = {
        str(tmp_path / "missing" / "page.html"): f"there is no directory {tmp_path}/missing",
        str(tmp_path / "page.html"): "it is a directory",
    }
    for path, reason in refusals.items():
        with pytest.raises(VerificationError, match=re.escape(reason)):
            refuse_unwritable([path])
    refuse_unwritable([str(tmp_path / "other.html")])
    monkeypatch.setattr(os, "access", lambda *_arguments: False)
    with pytest.raises(VerificationError, match="this user may not write"):
        refuse_unwritable([str(tmp_path / "other.html")])


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    tmp_path: pathlib.Path, broken: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_text("old")

    def full(*_arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_verification_report_files.os, "fchmod", full)
    written, failures = write_reports([str(tmp_path / "a.json")], broken, results.OCCASION)
    assert written == []
    assert failures == [f"The report {tmp_path}/a.json could not be written: No space left on device."]
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.json", "old")]


@pytest.mark.parametrize("writer", set(FORMATS.values()), ids=lambda writer: writer.__name__)
def test_every_report_of_a_hostile_cluster_can_be_written(writer: Callable[..., str]) -> None:
    writer(hostile(), results.OCCASION).encode("utf-8")
