# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets: generated once and kept, collected from the stores, and merged into one Secret for each workload."""

from __future__ import annotations

import base64
import binascii
import secrets as randomness
import typing as t

from ansible_collections.azora.platform.plugins.module_utils._gateway_manifests import (
    GENERATED_KEYS,
    STORAGE_PASSWORD,
    generates_token_key,
    token_key,
)
from ansible_collections.azora.platform.plugins.module_utils._kafka_manifests import cluster_ca_secret_name
from ansible_collections.azora.platform.plugins.module_utils._manifests import (
    Manifest,
    checksum,
    manifest,
    uses_of,
)
from ansible_collections.azora.platform.plugins.module_utils._postgres_manifests import object_name
from ansible_collections.azora.platform.plugins.module_utils._redis_manifests import database_secret_name
from ansible_collections.azora.platform.plugins.module_utils._workload_environment import credentials_name

GENERATED_BYTES = 24
# What RFC 7518 asks of a key of HS256.
TOKEN_KEY_BYTES = 32


def decoded(secret: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The values of a Secret as the API returns it; a key whose value is not text is left out."""
    values = {}
    for key, value in (secret.get("data") or {}).items():
        try:
            values[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
    return values


def encoded(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {key: base64.b64encode(str(value).encode()).decode() for key, value in values.items()}


def by_identity(resources: t.Iterable[t.Mapping[str, t.Any]]) -> dict[str, t.Mapping[str, t.Any]]:
    """Resources by "namespace/name"."""
    return {f"{entry['metadata']['namespace']}/{entry['metadata']['name']}": entry for entry in resources}


def kept_or_generated(
    wanted: t.Sequence[t.Mapping[str, t.Any]], existing: t.Sequence[t.Mapping[str, t.Any]]
) -> dict[str, dict[str, str]]:
    """The wanted keys of each Secret: as they stand on the cluster, or new and random where there are none."""
    present = {identity: decoded(secret) for identity, secret in by_identity(existing).items()}
    return {
        identity: {
            key: present.get(identity, {}).get(key) or randomness.token_urlsafe(GENERATED_BYTES)
            for key in entry["keys"]
        }
        for entry in wanted
        for identity in [f"{entry['namespace']}/{entry['name']}"]
    }


def _sources(
    catalogue: t.Mapping[str, t.Any], workload: t.Mapping[str, t.Any], instead: t.Mapping[str, str]
) -> list[tuple[str, str, str]]:
    """What a workload needs of the stores' Secrets: (variable, "namespace/name" of the Secret, key in it)."""
    is_gateway = workload["component"] == "gateway"
    rows = []
    for store in catalogue["stores"]:
        namespace = store["namespace"]
        for use in uses_of(workload, store):
            if store["kind"] == "postgresql":
                secret = f"{namespace}/{object_name(store, use['user'])}"
                rows += [("POSTGRES_USER", secret, "username"), ("POSTGRES_PASSWORD", secret, "password")]
            elif store["kind"] == "redis":
                secret = f"{namespace}/{database_secret_name(use['database'])}"
                rows.append((STORAGE_PASSWORD if is_gateway else "REDIS_PASSWORD", secret, "password"))
            else:
                rows.append(("KAFKA_PASSWORD", f"{namespace}/{use['user']}", "password"))
                rows.append(("KAFKA_CA", f"{namespace}/{cluster_ca_secret_name(store)}", "ca.crt"))
    return list(dict.fromkeys((variable, instead.get(secret, secret), key) for variable, secret, key in rows))


def missing_credentials(
    catalogue: t.Mapping[str, t.Any], secrets: t.Sequence[t.Mapping[str, t.Any]], namespace: str = ""
) -> list[str]:
    """One sentence for each key of a store's Secret (of one namespace, if given) that is not there."""
    present = {identity: decoded(secret) for identity, secret in by_identity(secrets).items()}
    sentences = [
        f"the Secret {secret} with the key '{key}', which {workload['name']} needs as {variable}, is not there"
        if secret not in present
        else f"the Secret {secret} has no key '{key}', which {workload['name']} needs as {variable}"
        for workload in catalogue["workloads"]
        for variable, secret, key in _sources(catalogue, workload, {})
        if not present.get(secret, {}).get(key) and secret.startswith(f"{namespace}/" if namespace else "")
    ]
    return list(dict.fromkeys(sentences))


def credential_secrets(
    catalogue: t.Mapping[str, t.Any],
    secrets: t.Sequence[t.Mapping[str, t.Any]],
    *,
    workloads: t.Sequence[str] = (),
    instead: t.Mapping[str, str] | None = None,
) -> list[Manifest]:
    """The Secret NAME-credentials of each workload, from the Secrets of the stores (and, of the gateway, its own).

    Of the named workloads, if any are named. `instead` has the Secrets that take the place of stores' Secrets, by "namespace/name".
    """
    present = {identity: decoded(secret) for identity, secret in by_identity(secrets).items()}
    manifests = []
    for workload in catalogue["workloads"]:
        if workloads and workload["name"] not in workloads:
            continue
        sources = _sources(catalogue, workload, instead or {})
        values = {variable: present[secret][key] for variable, secret, key in sources}
        for use in workload["stores"]:
            if use["kind"] == "kafka":
                values["KAFKA_USERNAME"] = use["user"]
        name = credentials_name(workload)
        if workload["component"] == "gateway":
            wanted = [{"namespace": workload["namespace"], "name": name, "keys": GENERATED_KEYS}]
            values.update(*kept_or_generated(wanted, secrets).values())
        if values:
            manifests.append(
                manifest(
                    "v1",
                    "Secret",
                    name,
                    workload["namespace"],
                    labels=workload["labels"],
                    type="Opaque",
                    data=encoded(values),
                )
            )
        if workload["component"] == "gateway" and generates_token_key(workload) and not workloads:
            manifests.append(_token_key_secret(workload, present))
    return manifests


def _token_key_secret(gateway: t.Mapping[str, t.Any], present: t.Mapping[str, t.Mapping[str, str]]) -> Manifest:
    """The key that signs clients' tokens, generated once and kept: apart from the gateway's own keys, as whoever issues tokens reads it."""
    name, key = token_key(gateway) or ("", "")
    kept = present.get(f"{gateway['namespace']}/{name}", {}).get(key)
    value = kept or base64.b64encode(randomness.token_bytes(TOKEN_KEY_BYTES)).decode()
    labels = gateway["labels"]
    return manifest(
        "v1", "Secret", name, gateway["namespace"], labels=labels, type="Opaque", data=encoded({key: value})
    )


def referenced_secrets(catalogue: t.Mapping[str, t.Any], component: str = "service") -> dict[str, dict[str, t.Any]]:
    """Secrets that workloads name in the catalogue: "namespace/name" → {namespace, name, keys, services}."""
    references: dict[str, dict[str, t.Any]] = {}
    for workload in catalogue["workloads"]:
        for secret in workload["secrets"] if workload["component"] == component else []:
            entry = references.setdefault(
                f"{workload['namespace']}/{secret['name']}",
                {"namespace": workload["namespace"], "name": secret["name"], "keys": [], "services": []},
            )
            entry["keys"] = list(dict.fromkeys([*entry["keys"], *secret["keys"]]))
            entry["services"].append(workload["name"])
    return references


def supplied_secrets(
    catalogue: t.Mapping[str, t.Any], supplied: t.Mapping[str, t.Mapping[str, t.Any]]
) -> list[Manifest]:
    """The Secrets that were given as variables, in each namespace where a service refers to them."""
    return [
        manifest(
            "v1",
            "Secret",
            reference["name"],
            reference["namespace"],
            labels=catalogue["labels"],
            type="Opaque",
            data=encoded(supplied[reference["name"]]),
        )
        for reference in referenced_secrets(catalogue).values()
        if reference["name"] in supplied
    ]


def missing_secrets(
    catalogue: t.Mapping[str, t.Any],
    supplied: t.Mapping[str, t.Mapping[str, t.Any]],
    existing: t.Sequence[t.Mapping[str, t.Any]],
    component: str = "service",
) -> list[str]:
    """One sentence for each Secret that workloads of a component need and that is neither given nor on the cluster."""
    present = {identity: set(secret.get("data") or {}) for identity, secret in by_identity(existing).items()}
    sentences = [
        f"the Secret {identity}, which {workload['name']} needs, does not exist: run the data stage first"
        for workload in catalogue["workloads"]
        for identity in [f"{workload['namespace']}/{credentials_name(workload)}"]
        if workload["component"] == component and workload["stores"] and identity not in present
    ]
    for identity, reference in referenced_secrets(catalogue, component).items():
        given = supplied.get(reference["name"])
        keys = set(given) if given is not None else present.get(identity)
        users = " and ".join(reference["services"])
        if keys is None:
            sentences.append(
                f"the Secret {identity}, which {users} needs, does not exist: "
                f"create it with the {_keys(reference['keys'])}, or give services_secrets['{reference['name']}']"
            )
        elif lacking := [key for key in reference["keys"] if key not in keys]:
            where = f"services_secrets['{reference['name']}']" if given is not None else f"the Secret {identity}"
            sentences.append(f"{where} lacks the {_keys(lacking)}, which {users} needs")
    if component == "gateway" and catalogue["gateway"]:
        sentences += _token_key_problems(catalogue["gateway"], existing)
    return sentences


def _token_key_problems(gateway: t.Mapping[str, t.Any], existing: t.Sequence[t.Mapping[str, t.Any]]) -> list[str]:
    """A key that is not there, or is none: Tyk would refuse every token and not say why."""
    held = token_key(gateway)
    if held is None:
        return []
    name, key = held
    identity = f"{gateway['namespace']}/{name}"
    secret = by_identity(existing).get(identity)
    remedy = "run the data stage first" if generates_token_key(gateway) else f"create it, with the key {key} in base64"
    if secret is None:
        return [f"the Secret {identity}, which {gateway['name']} needs to check tokens, does not exist: {remedy}"]
    if key not in (secret.get("data") or {}):
        return [f"the Secret {identity} lacks the key {key}, which {gateway['name']} needs to check tokens: {remedy}"]
    try:
        long_enough = len(base64.b64decode(decoded(secret).get(key, ""), validate=True)) >= TOKEN_KEY_BYTES
    except binascii.Error:
        long_enough = False
    if not long_enough:
        return [
            f"the key {key} of the Secret {identity} must be the base64 of at least {TOKEN_KEY_BYTES} bytes, to check tokens of HS256"
        ]
    return []


def _keys(keys: t.Sequence[str]) -> str:
    return f"key {keys[0]}" if len(keys) == 1 else f"keys {', '.join(keys)}"


def secret_checksums(secrets: t.Sequence[t.Mapping[str, t.Any]]) -> dict[str, str]:
    """A checksum of each Secret's data by "namespace/name"; it does not reveal the data."""
    return {identity: checksum(secret.get("data") or {}) for identity, secret in by_identity(secrets).items()}
