# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result of a verification for programs."""

from __future__ import annotations

import json

from ansible_collections.azora.platform.plugins.module_utils._report_words import Occasion, Result, headline

# The number goes up when a key changes its meaning or goes away; a new key leaves it as it is.
SCHEMA = "azora.platform/verification/1"
# For terminals, and for Ansible alone.
LEFT_OUT = ("table", "changed", "reports")


def json_report(result: Result, occasion: Occasion) -> str:
    document = {
        "schema": SCHEMA,
        "time": occasion.time,
        "cluster": occasion.cluster,
        "version": occasion.version,
        "headline": headline(result),
        **{key: value for key, value in result.items() if key not in LEFT_OUT},
    }
    # Only ASCII: whatever a name or an error message carries, every reader and every terminal gets it whole.
    return json.dumps(document, indent=1, ensure_ascii=True) + "\n"
