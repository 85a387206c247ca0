# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode's limits: what the API server can judge by a dry run, and what it cannot because something is not there yet."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest

# Groups of APIs that come with Kubernetes itself.
BUILT_IN_GROUPS = frozenset({"", "apps", "autoscaling", "batch", "policy"})


def split_by_applicability(
    manifests: Sequence[Mapping[str, t.Any]],
    namespaces: Sequence[Mapping[str, t.Any]],
    definitions: Sequence[Mapping[str, t.Any]],
) -> dict[str, list[t.Any]]:
    """Split manifests into {now: manifests a dry run can judge, later: sentences about the others}."""
    existing = {entry["metadata"]["name"] for entry in namespaces}
    served = {(entry["spec"]["group"], entry["spec"]["names"]["kind"]) for entry in definitions}
    now: list[Manifest] = []
    later: list[str] = []
    for manifest in manifests:
        metadata = manifest["metadata"]
        namespace = metadata.get("namespace")
        group = manifest["apiVersion"].rpartition("/")[0]
        is_built_in = group in BUILT_IN_GROUPS or group.endswith(".k8s.io")
        identity = f"{manifest['kind']} {f'{namespace}/' if namespace else ''}{metadata['name']}"
        if namespace and namespace not in existing:
            later.append(f"{identity} would be created: its namespace does not exist yet")
        elif not is_built_in and (group, manifest["kind"]) not in served:
            later.append(f"{identity} would be created: its kind is not defined yet")
        else:
            now.append(dict(manifest))
    return {"now": now, "later": later}
