# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of a Kafka cluster as Secrets: two authorities, the nodes, the operator, and users."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, load_pem_private_key, pkcs12

from lab_operators.certificates import (
    KeyPair,
    expires_within,
    names_of,
    new_authority,
    new_client_certificate,
    new_server_certificate,
)
from lab_operators.secret_data import decoded, encoded, new_password
from lab_operators.strimzi_names import OPERATOR_NAME, ORGANISATION, ClusterNames, owner_reference

Manifest = dict[str, Any]

VALIDITY_DAYS = 365
RENEWAL_DAYS = 30
#: Says by which authority a Secret's certificates were signed.
AUTHORITY_ANNOTATION = "strimzi.io/ca-fingerprint"


def fingerprint(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def authority_of(certificate_secret: Manifest | None, key_secret: Manifest | None) -> KeyPair | None:
    """The authority in a cluster's two Secrets, when it is complete."""
    if not certificate_secret or not key_secret:
        return None
    certificate, key = decoded_text(certificate_secret).get("ca.crt"), decoded_text(key_secret).get("ca.key")
    return KeyPair(certificate, key) if certificate and key else None


def decoded_text(secret: Manifest) -> dict[str, str]:
    """The values of a Secret that are text; PKCS#12 stores are not."""
    data = {key: value for key, value in (secret.get("data") or {}).items() if not key.endswith(".p12")}
    return decoded({"data": data})


def authority_is_good(authority: KeyPair | None, settings: Manifest) -> bool:
    return authority is not None and not expires_within(
        authority.certificate, settings.get("renewalDays", RENEWAL_DAYS)
    )


def new_authority_secrets(kafka: Manifest, names: ClusterNames, kind: str, generation: int) -> list[Manifest]:
    """A new authority: the Secret everyone may read, and the one with the key."""
    settings = kafka["spec"].get(f"{kind}Ca") or {}
    authority = new_authority(f"{kind}-ca v{generation}", ORGANISATION, settings.get("validityDays", VALIDITY_DAYS))
    password = new_password(12)
    certificate_name, key_name = names.authority_secrets(kind)
    certificate = _secret(kafka, names, certificate_name, {"ca.crt": authority.certificate, "ca.password": password})
    store = pkcs12.serialize_java_truststore(
        [pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(authority.certificate.encode()), b"ca.crt")],
        BestAvailableEncryption(password.encode()),
    )
    certificate["data"]["ca.p12"] = _base64(store)
    key = _secret(kafka, names, key_name, {"ca.key": authority.key})
    certificate["metadata"]["annotations"] = {"strimzi.io/ca-cert-generation": str(generation)}
    key["metadata"]["annotations"] = {"strimzi.io/ca-key-generation": str(generation)}
    return [certificate, key]


def generation_of(certificate_secret: Manifest | None) -> int:
    annotations = (certificate_secret or {}).get("metadata", {}).get("annotations") or {}
    return int(annotations.get("strimzi.io/ca-cert-generation", -1))


def node_certificates(
    kafka: Manifest, names: ClusterNames, authority: KeyPair, pods: list[str], current: Manifest | None
) -> Manifest | None:
    """The Secret with every node's certificate; None when the current one is good as it is."""
    values = decoded_text(current) if current else {}
    if not _signed_by(current, authority):
        values = {}
    wanted = dict[str, str]()
    for pod in pods:
        certificate, key = values.get(f"{pod}.crt", ""), values.get(f"{pod}.key", "")
        alternatives = names.certificate_names(pod)
        if (
            not certificate
            or not names_of(certificate) >= set(alternatives)
            or expires_within(certificate, RENEWAL_DAYS)
        ):
            pair = new_server_certificate(
                authority, names.component, alternatives, VALIDITY_DAYS, organisation=ORGANISATION, client_too=True
            )
            certificate, key = pair.certificate, pair.key
        wanted |= {f"{pod}.crt": certificate, f"{pod}.key": key}
    if wanted == values:
        return None
    return _secret(kafka, names, names.node_certificates_secret, wanted, authority)


def operator_certificate(
    kafka: Manifest, names: ClusterNames, authority: KeyPair, current: Manifest | None
) -> Manifest | None:
    """The Secret with which the operator speaks to brokers; None when the current one is good."""
    certificate = (decoded_text(current) if current else {}).get(f"{OPERATOR_NAME}.crt", "")
    if certificate and _signed_by(current, authority) and not expires_within(certificate, RENEWAL_DAYS):
        return None
    pair = new_client_certificate(authority, OPERATOR_NAME, VALIDITY_DAYS, organisation=ORGANISATION)
    values = {f"{OPERATOR_NAME}.crt": pair.certificate, f"{OPERATOR_NAME}.key": pair.key}
    return _secret(kafka, names, names.operator_certificate_secret, values, authority)


def user_certificate_values(
    authority: KeyPair, name: str, current: Manifest | None, days: int
) -> dict[str, str] | None:
    """Contents of a tls user's Secret, base64; None when the current ones are good."""
    values = decoded_text(current) if current else {}
    certificate = values.get("user.crt", "")
    good = (
        certificate and values.get("ca.crt") == authority.certificate and not expires_within(certificate, RENEWAL_DAYS)
    )
    if good:
        return None
    pair = new_client_certificate(authority, name, days)
    password = new_password(12)
    store = pkcs12.serialize_key_and_certificates(
        name.encode(),
        load_pem_private_key(pair.key.encode(), None),  # type: ignore[arg-type]
        x509.load_pem_x509_certificate(pair.certificate.encode()),
        None,
        BestAvailableEncryption(password.encode()),
    )
    text = {
        "ca.crt": authority.certificate,
        "user.crt": pair.certificate,
        "user.key": pair.key,
        "user.password": password,
    }
    return {**encoded(text), "user.p12": _base64(store)}


def _signed_by(secret: Manifest | None, authority: KeyPair) -> bool:
    annotations = (secret or {}).get("metadata", {}).get("annotations") or {}
    return bool(annotations.get(AUTHORITY_ANNOTATION) == fingerprint(authority.certificate))


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _secret(
    kafka: Manifest, names: ClusterNames, name: str, values: dict[str, str], authority: KeyPair | None = None
) -> Manifest:
    metadata: Manifest = {
        "name": name,
        "namespace": names.namespace,
        "labels": names.labels(),
        "ownerReferences": [owner_reference(kafka)],
    }
    if authority:
        metadata["annotations"] = {AUTHORITY_ANNOTATION: fingerprint(authority.certificate)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": encoded(values)}
