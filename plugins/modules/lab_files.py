#!/usr/bin/python
# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: lab_files
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: The configuration files of a lab, all in one call
description:
  - Writes files, with the directories that they lie in, for their owner alone.
  - The nodes of a lab have many small files; one call for all of them is some seconds faster than one for each.
extends_documentation_fragment:
  - azora.platform.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Where the file lies.
        type: path
        required: true
      content:
        description: What is in it.
        type: str
        required: true
"""

EXAMPLES = r"""
- name: Write two files
  azora.platform.lab_files:
    files:
      - path: /srv/dev/one
        content: "1"
      - path: /srv/dev/two
        content: "{{ lookup('ansible.builtin.template', 'two.j2') }}"
"""

RETURN = r"""
written:
  description: The files that were written, or would be in check mode.
  returned: always
  type: list
  elements: str
  sample: [/srv/dev/one]
"""

import os

from ansible.module_utils.basic import AnsibleModule

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700


def present_content(path: str) -> str | None:
    """What is in a file that has the right mode; nothing when it has to be written."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read() if os.fstat(file.fileno()).st_mode & 0o777 == FILE_MODE else None
    except (OSError, UnicodeDecodeError):
        return None


def write(path: str, content: str) -> None:
    """Write a file, all or nothing."""
    os.makedirs(os.path.dirname(path), mode=DIRECTORY_MODE, exist_ok=True)
    temporary = f"{path}.new"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, FILE_MODE)
        file.write(content)
    os.replace(temporary, path)


def main() -> None:
    """Write what differs."""
    file_options = {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}}
    module = AnsibleModule(
        argument_spec={"files": {"type": "list", "elements": "dict", "required": True, "options": file_options}},
        supports_check_mode=True,
    )
    diff = []
    try:
        for file in module.params["files"]:
            before = present_content(file["path"])
            if before == file["content"]:
                continue
            diff.append(
                {
                    "before_header": file["path"],
                    "before": before or "",
                    "after_header": file["path"],
                    "after": file["content"],
                }
            )
            if not module.check_mode:
                write(file["path"], file["content"])
    except OSError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(diff), diff=diff, written=[entry["after_header"] for entry in diff])


if __name__ == "__main__":
    main()
