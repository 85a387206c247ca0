# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kafka_returning
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Kafka clusters that are made anew over volumes that were kept
description:
  - Picks each Kafka that has no cluster id yet, and volumes on which a teardown has noted one.
  - Its manifest is paused, so that the operator does nothing before M(azora.platform.kafka_cluster_id) has given it that id.
  - Reads nothing from the cluster and changes nothing.
positional: _input, volumes, standing
options:
  _input:
    description: Manifests as P(azora.platform.kafka_manifests#filter) returns them.
    type: list
    elements: dict
    required: true
  volumes:
    description: PersistentVolumeClaims as M(kubernetes.core.k8s_info) returns them in RV(kubernetes.core.k8s_info#module:resources).
    type: list
    elements: dict
    required: true
  standing:
    description: The Kafkas of the cluster, likewise.
    type: list
    elements: dict
    required: true
"""

EXAMPLES = r"""
- name: Which clusters come back
  ansible.builtin.set_fact:
    returning: "{{ kafka_manifests | azora.platform.kafka_returning(volumes.resources, kafkas.resources) }}"
"""

RETURN = r"""
_value:
  description: V(manifest), V(namespace), V(name) and V(cluster_id) of each.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _kafka_recovery


def kafka_returning(
    manifests: list[dict[str, t.Any]], volumes: list[dict[str, t.Any]], standing: list[dict[str, t.Any]]
) -> list[dict[str, t.Any]]:
    """Those that need the id of their volumes."""
    return _kafka_recovery.returning_clusters(manifests, volumes, standing)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"kafka_returning": kafka_returning}
