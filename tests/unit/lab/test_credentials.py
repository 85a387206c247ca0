# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates, keys and kubeconfigs: made once, made anew exactly when they have to be."""

from __future__ import annotations

import base64
import datetime
import pathlib
from typing import Any

import pytest
import yaml
from ansible_collections.azora.platform.plugins.module_utils._lab_credentials import (
    Authority,
    Certificate,
    Credentials,
    Kubeconfig,
)
from cryptography import x509

NOW = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
SERVER = Certificate("server", "ca", "server", names=("server.example",), addresses=("10.0.0.1",), usages=("server",))


def make(directory: pathlib.Path, *certificates: Certificate, days_later: int = 0, **more: Any) -> dict[str, str]:
    now = NOW + datetime.timedelta(days=days_later)
    credentials = Credentials(str(directory / "pki"), renew_days=30, now=now, **more)
    credentials.authority(Authority("ca", "lab"))
    for certificate in certificates or (SERVER,):
        credentials.certificate(certificate)
    credentials.signing_key("service-account")
    credentials.kubeconfig(Kubeconfig(str(directory / "kubeconfig"), "server", "https://10.0.0.1:6443", "dev"), "ca")
    return credentials.made


def load(directory: pathlib.Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / "pki" / f"{name}.crt").read_bytes())


def test_everything_is_made_once(tmp_path: pathlib.Path) -> None:
    assert set(make(tmp_path)) == {"ca", "server", "service-account", str(tmp_path / "kubeconfig")}
    assert make(tmp_path) == {}


def test_nothing_is_for_others_to_read(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 7
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert (tmp_path / "pki").stat().st_mode & 0o777 == 0o700


def test_a_certificate_says_what_was_asked(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    certificate = load(tmp_path, "server")
    certificate.verify_directly_issued_by(load(tmp_path, "ca"))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["server.example"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        (
            Certificate(
                "server", "ca", "server", names=("server.example",), addresses=("10.0.0.2",), usages=("server",)
            ),
            "addresses",
        ),
        (Certificate("server", "ca", "server", names=("other",), addresses=("10.0.0.1",), usages=("server",)), "names"),
        (
            Certificate(
                "server", "ca", "other", names=("server.example",), addresses=("10.0.0.1",), usages=("server",)
            ),
            "subject",
        ),
        (
            Certificate(
                "server",
                "ca",
                "server",
                organizations=("g",),
                names=("server.example",),
                addresses=("10.0.0.1",),
                usages=("server",),
            ),
            "subject",
        ),
        (
            Certificate(
                "server",
                "ca",
                "server",
                names=("server.example",),
                addresses=("10.0.0.1",),
                usages=("client", "server"),
            ),
            "usages",
        ),
    ],
)
def test_a_difference_makes_it_anew(tmp_path: pathlib.Path, certificate: Certificate, reason: str) -> None:
    make(tmp_path)
    made = make(tmp_path, certificate)
    assert reason in made.pop("server")
    assert list(made) == [str(tmp_path / "kubeconfig")], "what carries it follows, nothing else"
    assert make(tmp_path, certificate) == {}


def test_the_end_of_a_certificate_is_seen_in_time(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    assert make(tmp_path, days_later=330) == {}
    made = make(tmp_path, days_later=340)
    assert "it ends 2031-01-01" in made["server"]
    assert "ca" not in made


def test_a_new_authority_signs_everything_anew(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    made = make(tmp_path, days_later=3640)
    assert "it ends" in made["ca"]
    assert made["server"] == "ca is new"
    load(tmp_path, "server").verify_directly_issued_by(load(tmp_path, "ca"))


def test_damage_is_repaired(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    (tmp_path / "pki" / "server.key").write_text("nonsense")
    assert make(tmp_path)["server"] == "it was missing"
    (tmp_path / "pki" / "server.key").write_bytes((tmp_path / "pki" / "ca.key").read_bytes())
    assert make(tmp_path)["server"] == "its key belongs to another"
    (tmp_path / "pki" / "service-account.pub").unlink()
    key = (tmp_path / "pki" / "service-account.key").read_bytes()
    assert set(make(tmp_path)) == {"service-account"}
    assert (tmp_path / "pki" / "service-account.key").read_bytes() == key, "tokens that were given out stay good"


def test_an_authority_of_another_is_not_trusted(tmp_path: pathlib.Path) -> None:
    make(tmp_path / "one")
    make(tmp_path / "two")
    for suffix in ("crt", "key"):
        (tmp_path / "one" / "pki" / f"ca.{suffix}").write_bytes(
            (tmp_path / "two" / "pki" / f"ca.{suffix}").read_bytes()
        )
    assert make(tmp_path / "one")["server"] == "ca did not sign it"


def test_check_mode_writes_nothing(tmp_path: pathlib.Path) -> None:
    assert set(make(tmp_path, check_mode=True)) == {"ca", "server", "service-account", str(tmp_path / "kubeconfig")}
    assert list(tmp_path.iterdir()) == []
    make(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "server" in make(tmp_path, days_later=340, check_mode=True)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_kubeconfig_carries_everything(tmp_path: pathlib.Path) -> None:
    make(tmp_path)
    config = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert config["current-context"] == "dev"
    assert config["clusters"][0]["cluster"]["server"] == "https://10.0.0.1:6443"
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
    assert authority == (tmp_path / "pki" / "ca.crt").read_bytes()
    user = config["users"][0]["user"]
    assert base64.b64decode(user["client-key-data"]) == (tmp_path / "pki" / "server.key").read_bytes()
