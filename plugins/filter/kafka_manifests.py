# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: kafka_manifests
author: azora.platform contributors (@azora)
version_added: 0.1.0
short_description: Kafka stores as Strimzi resources
description:
  - Gives, for every store of kind V(kafka), a Kafka, its KafkaNodePools and KafkaTopics, and a KafkaUser for each client.
  - A client may do on a topic only what the catalogue says, produce or consume; only clients may reach the listener.
  - Reads nothing from the cluster and changes nothing.
options:
  _input:
    description:
      - The normalised catalogue, the fact C(catalogue) of the role azora.platform.catalogue.
    type: dict
    required: true
  settings:
    description:
      - Settings that are not in the catalogue, from the variables of the role azora.platform.kafka.
      - V(version), V(metadata_version), V(image), V(controllers), V(storage_size), V(controller_storage_size), V(storage_class),
        V(resources), V(controller_resources), V(jvm_options), V(config), V(anti_affinity), V(cluster_settings),
        V(node_pool_settings).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show what would be applied
  ansible.builtin.debug:
    msg: "{{ catalogue | azora.platform.kafka_manifests(kafka_settings) }}"
"""

RETURN = r"""
_value:
  description: Node pools, clusters, topics and users.
  type: list
  elements: dict
"""

import typing as t

from ansible_collections.azora.platform.plugins.module_utils import _kafka_manifests


def kafka_manifests(catalogue: dict[str, t.Any], settings: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """Node pools, clusters, topics and users."""
    return _kafka_manifests.kafka_manifests(catalogue, settings)


class FilterModule:
    """The filter by its name."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Names and functions."""
        return {"kafka_manifests": kafka_manifests}
