# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the standing platform importable, and the plan for its end."""

from __future__ import annotations

import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.azora.platform.plugins.module_utils import _catalogue, _teardown

sys.path.insert(0, str(Path(__file__).parent))

from standing_shop import GROUPS, OPERATORS, PLATFORM, Entry, MakePlan, Plan, namespaces, standing


@pytest.fixture
def plan() -> MakePlan:
    """The plan for what stands, with more objects, or settings of its own."""

    def make(
        *more: Entry,
        objects: list[Entry] | None = None,
        operators: dict[str, list[Entry]] | None = None,
        unread: t.Sequence[str] = (),
        **settings: t.Any,
    ) -> Plan:
        found = [*(standing() if objects is None else objects), *more]
        given = {"data": "keep", "delete_stores": ["redis"], "confirm": "lab", "cluster": "lab", "groups": GROUPS}
        return _teardown.teardown_plan(
            _catalogue.normalised(PLATFORM),
            OPERATORS if operators is None else operators,
            {"objects": found, "namespaces": namespaces(), "unread": list(unread)},
            {**given, **settings},
        )

    return make
