# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Recovery of a PostgreSQL store into a new cluster beside it, which is never the old one's place.

Source: https://cloudnative-pg.io/documentation/1.30/recovery/
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._manifests import Manifest, merged, of_kind
from ansible_collections.azora.platform.plugins.module_utils._postgres_backups import (
    PLUGIN,
    object_store_name,
    server_name,
)

Catalogue = t.Mapping[str, t.Any]
Mapping = t.Mapping[str, t.Any]

ORIGIN = "origin"
#: What of a request says up to where, and the field of recoveryTarget.
TARGETS = {"time": "targetTime", "lsn": "targetLSN", "backup": "backupID"}
#: How a moment and a place in the log are written, with an example of each.
FORMS = {
    "time": (
        re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d+)?( ?(Z|[+-]\d{2}(:?\d{2})?))?"),
        "2026-01-31 14:05:00+00, with the offset from UTC",
    ),
    "lsn": (re.compile(r"[0-9A-Fa-f]{1,8}/[0-9A-Fa-f]{1,8}"), "0/3000060"),
}


class RestoreInputError(ValueError):
    """A restore that cannot be; the message is one sentence that names the setting."""


def recovered_store(catalogue: Catalogue, store: str, cluster: str) -> Manifest:
    """The store as it will stand beside the old one: same databases, another cluster, no client yet."""
    backed_up = {one["name"]: one for one in of_kind(catalogue, "postgresql") if one["backup"]}
    if store not in backed_up:
        known = ", ".join(sorted(backed_up)) or "none"
        raise RestoreInputError(f"restore_store is {store!r}, which is not a store with backups; known: {known}")
    taken = sorted(one["cluster"] for one in catalogue["stores"])
    if cluster in taken:
        raise RestoreInputError(
            f"restore_cluster is {cluster!r}, which the catalogue has already; a recovery never overwrites a cluster, give it a new name"
        )
    old = backed_up[store]
    return {
        **old,
        "name": cluster,
        "cluster": cluster,
        "id": f"{old['namespace']}/{cluster}",
        "selector": {**old["selector"], "cnpg.io/cluster": cluster},
        "clients": [],
    }


def with_recovered(catalogue: Catalogue, recovered: Mapping) -> Manifest:
    """The catalogue with both."""
    return {**catalogue, "stores": [*catalogue["stores"], recovered]}


def only_recovered(catalogue: Catalogue, recovered: Mapping) -> Manifest:
    """The catalogue with nothing but the recovered store: what is derived from it is for that alone."""
    return {**catalogue, "stores": [recovered]}


def recovery_settings(catalogue: Catalogue, store: str, settings: Mapping, target: Mapping) -> Manifest:
    """The settings of the stores' manifests, with where the first data come from."""
    given = {name: target[name] for name in TARGETS if target.get(name)}
    for name, value in given.items():
        if name in FORMS and not FORMS[name][0].fullmatch(str(value)):
            raise RestoreInputError(f"restore_{name} is {value!r}; write it as {FORMS[name][1]}")
    if len(given) > 1:
        names = " and ".join(f"restore_{name}" for name in given)
        raise RestoreInputError(f"{names} are given; name one moment")
    recovery_target = {TARGETS[name]: value for name, value in given.items()}
    if "backup" in given:
        # That backup as it was, not everything since.
        recovery_target["targetImmediate"] = True
    [old] = [one for one in catalogue["stores"] if one["name"] == store]
    source = settings["backup"] | {"server_name": target.get("server_name") or settings["backup"]["server_name"]}
    parameters = {"barmanObjectName": object_store_name(old), "serverName": server_name(old, source)}
    recovery: Manifest = {"source": ORIGIN}
    if recovery_target:
        recovery["recoveryTarget"] = recovery_target
    bootstrap = {
        "bootstrap": {"recovery": recovery},
        "externalClusters": [{"name": ORIGIN, "plugin": {"name": PLUGIN, "parameters": parameters}}],
    }
    return {
        **settings,
        # The new cluster's own place in the bucket has its own name.
        "backup": settings["backup"] | {"server_name": ""},
        "cluster_settings": merged(settings.get("cluster_settings") or {}, bootstrap),
    }
