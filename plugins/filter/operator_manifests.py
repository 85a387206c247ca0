# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: operator_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: A vendor's operator, fitted to the platform's namespaces
description:
  - Moves the documents of a vendor's release manifest into a namespace, with its role bindings and webhooks, and sets which namespaces the operator watches.
  - Namespaces are left out, because the role azora.platform.namespaces keeps them.
  - With a mirror, the images of its Deployments and those that their environment names come from there.
  - Takes and gives text, as such manifests are so large that Ansible would spend minutes on their parts.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The files of the release manifest, as text.
    type: list
    elements: str
    required: true
  namespace:
    description:
      - The operator's namespace.
    type: str
    required: true
  watches:
    description:
      - The namespaces it watches, if it can be told.
    type: list
    elements: str
    default: []
  mirror:
    description:
      - What stands in front of every image instead of its registry, such as C(registry.example.com/mirror).
    type: str
    default: ""
  images:
    description:
      - Images that others take the place of, where a manifest names a build that is no release.
    type: dict
    default: {}
  pull_policy:
    description:
      - When the images of its Deployments are pulled, instead of what the manifest says.
    type: str
    default: ""
    choices: ["", Always, IfNotPresent, Never]
  definitions_only:
    description:
      - Whether everything but the custom resource definitions is left out.
    type: bool
    default: false
  without_certificates:
    description:
      - Whether cert-manager's resources are left out, since somebody else makes the certificates.
    type: bool
    default: false
  openshift:
    description:
      - Whether the users and groups of pods are left out, since OpenShift gives them itself.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Write the manifest of an operator
  ansible.builtin.copy:
    content: "{{ [lookup('ansible.builtin.file', 'operator.yaml')] | azora.platform.operator_manifests('strimzi-system', ['azora-data']) }}"
    dest: fitted.yaml
    mode: "0600"
"""

RETURN = r"""
_value:
  description: Documents as YAML text, definitions first.
  type: str
"""

import json
import typing as t

import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.azora.platform.plugins.module_utils import _operator_manifests


class ManifestLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As safe as its base. It takes the sign = for text, as YAML 1.2 and the API server do: the Prometheus operator's manifests have it."""


ManifestLoader.add_constructor("tag:yaml.org,2002:value", lambda _loader, node: node.value)


def operator_manifests(
    files: list[str],
    namespace: str,
    watches: list[str] | None = None,
    mirror: str = "",
    *,
    images: dict[str, str] | None = None,
    pull_policy: str = "",
    definitions_only: bool = False,
    without_certificates: bool = False,
    openshift: bool = False,
) -> str:
    """The documents, moved. JSON documents are YAML documents, and much faster to write and to read."""
    documents: list[t.Any] = []
    for text in files:
        try:
            documents += yaml.load_all(str(text), Loader=ManifestLoader)
        except yaml.YAMLError as error:
            raise AnsibleFilterError(f"A release manifest is not YAML: {error}") from error
    moved = _operator_manifests.operator_manifests(
        documents,
        namespace,
        watches or [],
        mirror,
        images=images,
        pull_policy=pull_policy,
        definitions_only=definitions_only,
        without_certificates=without_certificates,
        openshift=openshift,
    )
    return "\n---\n".join(json.dumps(manifest) for manifest in moved)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"operator_manifests": operator_manifests}
