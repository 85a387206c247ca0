# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The scenarios of molecule: each chooses tests that there are, and pytest would select only those."""

from __future__ import annotations

import pathlib
import re

import pytest
import yaml

MOLECULE = pathlib.Path(__file__).resolve().parents[2] / "molecule"
TESTS = {path.stem for path in (MOLECULE / "default" / "tests").glob("test_*.py")}
CHOOSING = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml") if path.parent.name != "default")


def test_there_are_scenarios() -> None:
    assert {"data-failover", "broken-rollout", "policy-drift", "second-platform", "upgrade"} <= set(CHOOSING)


@pytest.mark.parametrize("name", CHOOSING)
def test_what_a_scenario_chooses_is_there(name: str) -> None:
    settings = yaml.safe_load((MOLECULE / name / "molecule.yml").read_text(encoding="utf-8"))
    chosen = re.split(r" or ", settings["verifier"]["options"]["k"])
    assert set(chosen) <= TESTS
    # pytest takes a word as a part of a name.
    selected = {test for test in TESTS for word in chosen if word in test}
    assert selected == set(chosen)
