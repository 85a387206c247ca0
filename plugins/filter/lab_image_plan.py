# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: lab_image_plan
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Which images the lab needs, in build order, named by their inputs
description:
  - Names each image by the hash of its inputs (the files of its folder, its base, the binaries it takes, the pages it shows), so that an image is
    built once and again only when one of them changes.
  - Looks at nothing and changes nothing.
options:
  _input:
    description:
      - The images. Each has a C(name), and may have a C(base) (another image of the list), C(binaries) (a list of paths),
        C(bootstrap) (C(suite) and C(packages) of Debian instead of another image), C(maven) (a POM whose dependencies it takes),
        C(pages) (a folder that it shows to browsers, or an empty string) and C(exported) (V(false) for what only other images need).
    type: list
    elements: dict
    required: true
  files:
    description: RV(ansible.builtin.find#module:files) of the images' folders, of the binaries and of the pages, with SHA-256 checksums.
    type: list
    elements: dict
    required: true
  files_directory:
    description: The folder that holds one folder an image.
    type: path
    required: true
  archive_directory:
    description: Where archives are kept.
    type: path
    required: true
  archives:
    description: Paths of the archives that are there.
    type: list
    elements: path
    default: []
"""

EXAMPLES = r"""
- name: Plan the images
  ansible.builtin.set_fact:
    plan: >-
      {{ [{'name': 'debian', 'bootstrap': {'suite': 'bookworm', 'packages': []}},
          {'name': 'redis', 'base': 'debian'}]
         | azora.platform.lab_image_plan(files=found.files, files_directory='/srv/images',
                                         archive_directory='/var/cache/images') }}
"""

RETURN = r"""
_value:
  description: The plan.
  type: dict
  contains:
    images:
      description: Every image, a base before what stands on it.
      type: list
      elements: dict
    missing:
      description: Those of them that have to be built.
      type: list
      elements: dict
    index:
      description: C(reference) and C(archive) of each exported image.
      type: dict
      sample:
        redis: {reference: "lab.local/azora/redis:0123456789ab", archive: /var/cache/images/redis-0123456789ab.tar}
"""

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _lab_image_plan


def lab_image_plan(
    images: list[dict[str, t.Any]],
    files: list[dict[str, t.Any]],
    files_directory: str,
    archive_directory: str,
    archives: list[str] | None = None,
) -> dict[str, t.Any]:
    """Plan the images; a list that cannot be built ends the play with all of its mistakes."""
    try:
        plan = _lab_image_plan.image_plan(
            images,
            files,
            files_directory=files_directory,
            archive_directory=archive_directory,
        )
    except _lab_image_plan.PlanError as error:
        raise AnsibleFilterError(f"the lab's images cannot be built: {error}") from error
    return {
        "images": plan,
        "missing": _lab_image_plan.missing_images(plan, set(archives or [])),
        "index": _lab_image_plan.image_index(plan),
    }


class FilterModule:
    """Filters of the lab's images."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """The filters by name."""
        return {"lab_image_plan": lab_image_plan}
