# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates, judged by a real TLS handshake."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from lab_operators.certificates import (
    KeyPair,
    expires_within,
    names_of,
    new_authority,
    new_client_certificate,
    new_server_certificate,
)
from lab_operators.secret_data import decoded, encoded, new_password


def write(folder: Path, name: str, pair: KeyPair) -> tuple[str, str]:
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_text(pair.certificate, encoding="utf-8")
    key.write_text(pair.key, encoding="utf-8")
    return str(certificate), str(key)


def shake_hands(folder: Path, authority: KeyPair, server: KeyPair, client: KeyPair | None, name: str) -> None:
    """A TLS handshake in memory; raises when one side does not accept the other."""
    trusted, _key = write(folder, "ca", authority)
    server_context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=trusted)
    server_context.load_cert_chain(*write(folder, "server", server))
    server_context.verify_mode = ssl.CERT_REQUIRED if client else ssl.CERT_NONE
    client_context = ssl.create_default_context(cafile=trusted)
    if client:
        client_context.load_cert_chain(*write(folder, "client", client))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client_context.wrap_bio(to_client, to_server, server_hostname=name)
    other = server_context.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other) * 3:
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    for side in (one, other):
        # TLS 1.3: the client learns only from the first record whether its certificate was taken.
        with pytest.raises(ssl.SSLWantReadError):
            side.read(1)


def test_server_and_client_trust_each_other(tmp_path: Path) -> None:
    authority = new_authority("pg", "data")
    server = new_server_certificate(authority, "pg-rw", ["pg-rw", "10.0.0.7"])
    client = new_client_certificate(authority, "cnpg_operator", organisation="o")
    shake_hands(tmp_path, authority, server, client, "pg-rw")
    shake_hands(tmp_path, authority, server, None, "10.0.0.7")


def test_another_name_is_refused(tmp_path: Path) -> None:
    authority = new_authority("pg", "data")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(tmp_path, authority, new_server_certificate(authority, "a", ["a"]), None, "b")


def test_a_client_certificate_does_not_serve(tmp_path: Path) -> None:
    authority = new_authority("pg", "data")
    with pytest.raises(ssl.SSLError):
        shake_hands(tmp_path, authority, new_client_certificate(authority, "a"), None, "a")


def test_a_broker_is_both(tmp_path: Path) -> None:
    authority = new_authority("pg", "data")
    both = new_server_certificate(authority, "a", ["a"], client_too=True)
    shake_hands(tmp_path, authority, both, both, "a")


def test_names_and_end() -> None:
    authority = new_authority("pg", "data")
    server = new_server_certificate(authority, "a", ["a", "b.c", "10.0.0.7"], days=5)
    assert names_of(server.certificate) == {"a", "b.c", "10.0.0.7"}
    assert names_of(new_client_certificate(authority, "a").certificate) == set()
    assert expires_within(server.certificate, 7)
    assert not expires_within(server.certificate, 3)


def test_secret_values_survive_the_way() -> None:
    values = {"password": new_password(), "odd": "ü\n"}
    assert decoded({"data": encoded(values)}) == values
    assert decoded({}) == {}
    assert new_password() != new_password()
    assert new_password().isalnum()
