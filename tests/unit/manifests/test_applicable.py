# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode tells apart what a dry run can judge from what it cannot yet."""

from __future__ import annotations

from ansible_collections.azora.platform.plugins.module_utils._applicable import split_by_applicability


def manifest(api_version, kind, name, namespace=None):
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata}


def test_manifests_are_split_by_what_exists():
    there = manifest("v1", "ConfigMap", "a", "here")
    policy = manifest("networking.k8s.io/v1", "NetworkPolicy", "b", "here")
    cluster_wide = manifest("v1", "Namespace", "new")
    known = manifest("kafka.strimzi.io/v1", "KafkaTopic", "c", "here")
    unknown = manifest("kafka.strimzi.io/v1", "KafkaUser", "d", "here")
    homeless = manifest("apps/v1", "Deployment", "e", "new")
    definitions = [{"spec": {"group": "kafka.strimzi.io", "names": {"kind": "KafkaTopic"}}}]
    result = split_by_applicability(
        [there, policy, cluster_wide, known, unknown, homeless], [{"metadata": {"name": "here"}}], definitions
    )
    assert result["now"] == [there, policy, cluster_wide, known]
    assert result["later"] == [
        "KafkaUser here/d would be created: its kind is not defined yet",
        "Deployment new/e would be created: its namespace does not exist yet",
    ]
