# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a verification as metrics, so that a schedule can raise an alarm.

The file is what node_exporter's textfile collector reads and what a Pushgateway takes.
https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping

from ansible_collections.azora.platform.plugins.module_utils._report_sarif import RULES
from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    PASSED as VERDICT_PASSED,
)
from ansible_collections.azora.platform.plugins.module_utils._report_words import (
    STATES,
    Occasion,
    Result,
    headline,
    state_of,
)
from ansible_collections.azora.platform.plugins.module_utils._verification_input import INCONCLUSIVE

PASSED, TIME = "azora_verification_passed", "azora_verification_time_seconds"
FINDINGS, UNSEEN = "azora_verification_findings", "azora_verification_inconclusive"
CONNECTIONS = "azora_verification_connections"
SECONDS = "azora_verification_duration_seconds"


def metrics_report(result: Result, occasion: Occasion) -> str:
    """What is not there counts as 0, so that an alert ends when its findings do."""
    found, unseen = Counter[str](), Counter[str]()
    for one in result["mismatches"]:
        (unseen if one["found"] == INCONCLUSIVE else found)[one["check"]] += 1
    checks = [*(rule.check for rule in RULES), *found, *unseen]
    states = Counter(state_of(row).name for row in result["connections"])
    moment = datetime.datetime.fromisoformat(occasion.time).timestamp()
    lines = [
        *_family(
            PASSED,
            "Whether everything could be looked at and is as declared.",
            {"": headline(result) == VERDICT_PASSED},
        ),
        *_family(TIME, "When the verification was made.", {"": moment}),
        *_family(SECONDS, "How long it took.", {"": result["summary"]["seconds"]}),
        *_family(FINDINGS, "What is not as declared.", _each("check", checks, found)),
        *_family(UNSEEN, "What could not be judged.", _each("check", checks, unseen)),
        *_family(
            CONNECTIONS,
            "Connections, by what they turned out to be.",
            _each("state", [one.name for one in STATES], states),
        ),
    ]
    return "\n".join(lines) + "\n"


def _each(label: str, values: list[str], counts: Mapping[str, int]) -> dict[str, float]:
    return {f'{{{label}="{value}"}}': counts.get(value, 0) for value in dict.fromkeys(values)}


def _family(name: str, means: str, samples: Mapping[str, float]) -> list[str]:
    values = [f"{name}{labels} {float(value):.15g}" for labels, value in samples.items()]
    return [f"# HELP {name} {means}", f"# TYPE {name} gauge", *values]
