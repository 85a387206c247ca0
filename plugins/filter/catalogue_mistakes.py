# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

from ansible_collections.azora.platform.plugins.module_utils._catalogue import mistakes

DOCUMENTATION = r"""
name: catalogue_mistakes
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Every mistake of a platform's description
description:
  - Checks a platform's description and returns one sentence for each mistake, all of them at once, with the
    key, what is wrong and what would be right.
  - Never fails, whatever it is given.
options:
  _input:
    description:
      - The description of a platform, in the form of the variable C(catalogue_platform) of the role
        P(azora.platform.catalogue#role).
      - Numbers and switches may be text, as AWX surveys pass them.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: The description has no mistake
  ansible.builtin.assert:
    that: mistakes | length == 0
    fail_msg: "{{ mistakes | join('\n') }}"
  vars:
    mistakes: "{{ catalogue_platform | azora.platform.catalogue_mistakes }}"
"""

RETURN = r"""
_value:
  description: One sentence for each mistake; empty if there is none.
  type: list
  elements: str
  sample: ["services.user.calls: 'analitics' is not a service; did you mean 'analytics'? Known: user, analytics."]
"""


def catalogue_mistakes(platform: Any) -> list[str]:
    return mistakes(platform)


class FilterModule:
    """The filter catalogue_mistakes."""

    def filters(self) -> dict[str, Any]:
        return {"catalogue_mistakes": catalogue_mistakes}
