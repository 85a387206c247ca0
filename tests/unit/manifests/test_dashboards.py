# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dashboards that are committed are those that the generator makes, and ask only for what is recorded or exported."""

from __future__ import annotations

import importlib.util
import json
import pathlib
import re
import sys

import pytest
from ansible_collections.azora.platform.plugins.module_utils._monitoring_rules import rule_groups

CHECKOUT = pathlib.Path(__file__).resolve().parents[3]
FOLDER = CHECKOUT / "roles" / "monitoring" / "files" / "dashboards"
DASHBOARDS = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def queries(dashboard):
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_regenerating_gives_the_same(monkeypatch):
    pytest.importorskip("grafana_foundation_sdk")
    spec = importlib.util.spec_from_file_location("generate", CHECKOUT / "tests" / "dashboards" / "generate.py")
    generator = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, generator)
    spec.loader.exec_module(generator)
    assert generator.texts() == {path.stem: path.read_text("utf-8") for path in FOLDER.glob("*.json")}


def test_there_are_the_four():
    assert set(DASHBOARDS) == {"overview", "services", "data", "gateway"}
    assert len({dashboard["uid"] for dashboard in DASHBOARDS.values()}) == len(DASHBOARDS)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_ask_the_chosen_prometheus_something(name):
    panels = [panel for panel in DASHBOARDS[name]["panels"] if panel["type"] != "row"]
    assert panels
    for panel in panels:
        assert panel["targets"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_that_is_used_exists(name):
    declared = {one["name"] for one in DASHBOARDS[name]["templating"]["list"]}
    used = {variable for query in queries(DASHBOARDS[name]) for variable in re.findall(r"\$(\w+)", query)}
    assert used <= declared


def test_recorded_series_that_panels_show_are_recorded(azora, settings):
    recorded = {
        rule["record"]
        for group in rule_groups(azora, settings("monitoring"))
        for rule in group["rules"]
        if "record" in rule
    }
    shown = {
        name
        for dashboard in DASHBOARDS.values()
        for query in queries(dashboard)
        for name in re.findall(r"\w+:\w+:\w+", query)
    }
    assert shown
    assert shown <= recorded
