# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resources as the API server would return them."""

from __future__ import annotations

from typing import Any

NAMESPACE = "data"


def cluster(name: str = "pg", status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "postgresql.cnpg.io/v1",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": NAMESPACE, "uid": "1-2-3", "generation": 1},
        "spec": {"instances": 1, "imageName": "postgres:1", "storage": {"size": "1Gi"}, **spec},
        **({"status": status} if status else {}),
    }


def ready_pod(pod: dict[str, Any], address: str = "10.0.0.7") -> dict[str, Any]:
    status = {"phase": "Running", "podIP": address, "conditions": [{"type": "Ready", "status": "True"}]}
    return {**pod, "status": status}
