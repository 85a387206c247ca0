# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service of docs/first-hour.md, put where the page says: the catalogue takes it, and what the page promises follows from it."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import pytest
import yaml
from ansible_collections.azora.platform.plugins.filter.catalogue_mistakes import catalogue_mistakes
from ansible_collections.azora.platform.plugins.filter.catalogue_normalised import catalogue_normalised
from ansible_collections.azora.platform.plugins.filter.network_policies import network_policies

PAGE = pathlib.Path(__file__).resolve().parents[3] / "docs" / "first-hour.md"


@pytest.fixture
def extended(platform: dict[str, Any]) -> dict[str, Any]:
    section = PAGE.read_text(encoding="utf-8").partition("## 5. ")[2].partition("## 6. ")[0]
    service, database = (yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL))
    platform["services"] += service
    (postgres,) = (store for store in platform["stores"] if store["name"] == "postgres")
    postgres["databases"] += database
    return platform


def test_it_is_one_service_in_ten_lines_at_most_and_no_mistake(extended: dict[str, Any]) -> None:
    assert catalogue_mistakes(extended) == []
    assert [one["name"] for one in catalogue_normalised(extended)["services"]][-1] == "library"


def test_its_policies_follow_on_both_sides(extended: dict[str, Any], cluster: dict[str, Any]) -> None:
    policies = {
        f"{one['metadata']['namespace']}/{one['metadata']['name']}": one
        for one in network_policies(catalogue_normalised(extended), cluster)
    }
    assert {"default/library-ingress", "default/library-egress"} <= set(policies)
    for place in ("azora-data/pg-ingress", "azora-es/analytics-ingress"):
        assert "library" in yaml.safe_dump(policies[place])
