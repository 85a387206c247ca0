# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the vendors' Helm charts are told of this platform: each says in other words what it watches and where its images come from."""

from __future__ import annotations

import copy
import typing as t
from collections.abc import Callable, Mapping, Sequence

from ansible_collections.azora.platform.plugins.module_utils._operator_manifests import mirrored

Values = dict[str, t.Any]

# The image of an operator as its chart has it, for charts that want the whole name of another one.
CLOUDNATIVE_PG_IMAGE = "ghcr.io/cloudnative-pg/cloudnative-pg"
REDIS_ENTERPRISE_IMAGE = "redislabs/operator"


def _cloudnative_pg(mirror: str) -> Values:
    return {"image": {"repository": _without_tag(mirrored(f"{CLOUDNATIVE_PG_IMAGE}:0", mirror))}}


def _redis_enterprise(mirror: str) -> Values:
    return {"operator": {"image": {"repository": _without_tag(mirrored(f"{REDIS_ENTERPRISE_IMAGE}:0", mirror))}}}


def _strimzi(mirror: str) -> Values:
    return {"defaultImageRegistry": mirror}


def _barman_cloud(mirror: str) -> Values:
    return {"image": {"registry": mirror}, "sidecarImage": {"registry": mirror}}


def _prometheus_operator(mirror: str) -> Values:
    return {"global": {"imageRegistry": mirror}}


MIRRORED: dict[str, Callable[[str], Values]] = {
    "cloudnative-pg": _cloudnative_pg,
    "redis-enterprise": _redis_enterprise,
    "strimzi": _strimzi,
    "barman-cloud": _barman_cloud,
    "prometheus-operator": _prometheus_operator,
}


def chart_values(operator: Mapping[str, t.Any], mirror: str = "", *, without_certificates: bool = False) -> Values:
    """The values for an operator's chart: what follows from the catalogue and the mirror, and over it what its release says."""
    name = operator["name"]
    values: Values = {}
    if name == "strimzi":
        # Its own namespace the chart adds itself.
        values["watchNamespaces"] = watched_elsewhere(operator)
    if name == "barman-cloud" and without_certificates:
        values["certificate"] = dict.fromkeys(
            ("createClientCertificate", "createServerCertificate", "createIssuer"), False
        )
    if mirror and name in MIRRORED:
        values = merged(values, MIRRORED[name](mirror.rstrip("/")))
    return merged(values, operator["chart"].get("values") or {})


def watched_elsewhere(operator: Mapping[str, t.Any]) -> Sequence[str]:
    return [namespace for namespace in operator["watches"] if namespace != operator["namespace"]]


def _without_tag(image: str) -> str:
    return image.rpartition(":")[0]


def merged(lower: Mapping[str, t.Any], upper: Mapping[str, t.Any]) -> Values:
    """One dictionary of values over another, as Helm lays them."""
    result = copy.deepcopy(dict(lower))
    for key, value in upper.items():
        if isinstance(value, Mapping) and isinstance(result.get(key), Mapping):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result
