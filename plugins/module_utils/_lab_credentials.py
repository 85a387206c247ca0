# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's certificate authorities, certificates, signing keys and kubeconfigs: made once, renewed when they have to be."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import ipaddress
import os
import typing as t

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
except ImportError as error:
    CRYPTOGRAPHY_IMPORT_ERROR: ImportError | None = error
else:
    CRYPTOGRAPHY_IMPORT_ERROR = None

AUTHORITY_DAYS = 3650
CERTIFICATE_DAYS = 365
# Clocks of a machine that was suspended may be a little behind.
BACKDATE = datetime.timedelta(minutes=5)


@dataclasses.dataclass(frozen=True)
class Authority:
    """A certificate authority; its files are named after it."""

    name: str
    common_name: str


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate as it should be."""

    name: str
    authority: str
    common_name: str
    organizations: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    usages: tuple[str, ...] = ("client",)


@dataclasses.dataclass(frozen=True)
class Kubeconfig:
    """A kubeconfig with everything inside, so that it can be copied elsewhere."""

    path: str
    certificate: str
    server: str
    cluster: str


class Credentials:
    """A directory of credentials. NOW and RENEW_DAYS decide what is close to its end."""

    def __init__(
        self, directory: str, *, renew_days: int, now: datetime.datetime | None = None, check_mode: bool = False
    ) -> None:
        self.directory = directory
        self.renew_before = (now or datetime.datetime.now(datetime.UTC)) + datetime.timedelta(days=renew_days)
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.check_mode = check_mode
        # What was made, each with the reason.
        self.made: dict[str, str] = {}

    def path(self, name: str, suffix: str) -> str:
        """A file of the directory."""
        return os.path.join(self.directory, f"{name}.{suffix}")

    def authority(self, wanted: Authority) -> None:
        """Make a certificate authority where there is none that still holds long enough."""
        certificate, key = self._load(wanted.name)
        reason = self._flaw(certificate, key)
        if not reason and certificate and _text(certificate.subject, NameOID.COMMON_NAME) != wanted.common_name:
            reason = "its name changed"
        if not reason:
            return
        self.made[wanted.name] = reason
        if self.check_mode:
            return
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])
        builder = (
            self._builder(subject, subject, key, AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        self._save(wanted.name, builder.sign(key, hashes.SHA256()), key)

    def certificate(self, wanted: Certificate) -> None:
        """Make a certificate where the present one is missing, differs, was signed by another or is close to its end."""
        certificate, key = self._load(wanted.name)
        authority, authority_key = self._load(wanted.authority)
        if wanted.authority in self.made:
            reason: str | None = f"{wanted.authority} is new"
        else:
            reason = self._flaw(certificate, key) or _difference(certificate, authority, wanted)
        if not reason:
            return
        self.made[wanted.name] = reason
        if self.check_mode or authority is None or authority_key is None:
            return
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(_subject(wanted), authority.subject, key, CERTIFICATE_DAYS)
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(_usages(wanted)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
            )
        )
        if wanted.names or wanted.addresses:
            builder = builder.add_extension(x509.SubjectAlternativeName(_alternatives(wanted)), critical=False)
        self._save(wanted.name, builder.sign(authority_key, hashes.SHA256()), key)

    def signing_key(self, name: str) -> None:
        """Make a key pair, NAME.key and NAME.pub."""
        key = self._load_key(name)
        public = _read(self.path(name, "pub"))
        if key is not None and public == _public_text(key):
            return
        self.made[name] = "it was missing" if key is None else "its public half was missing"
        if self.check_mode:
            return
        key = key or ec.generate_private_key(ec.SECP256R1())
        self._write(self.path(name, "key"), _key_text(key))
        self._write(self.path(name, "pub"), _public_text(key))

    def kubeconfig(self, wanted: Kubeconfig, authority: str) -> None:
        """Write a kubeconfig; it follows its certificate."""
        parts = [
            self.path(authority, "crt"),
            self.path(wanted.certificate, "crt"),
            self.path(wanted.certificate, "key"),
        ]
        contents = [_read(part) for part in parts]
        if any(content is None for content in contents):
            # Only in check mode, before anything was made.
            self.made[wanted.path] = "its certificate will be new"
            return
        text = kubeconfig_text(wanted, *[content for content in contents if content is not None])
        before = _read(wanted.path)
        if before == text and os.stat(wanted.path).st_mode & 0o777 == 0o600:
            return
        self.made[wanted.path] = "it was missing" if before is None else "its content changed"
        if not self.check_mode:
            self._write(wanted.path, text)

    def _flaw(self, certificate: t.Any, key: t.Any) -> str | None:
        if certificate is None or key is None:
            return "it was missing"
        if _public_text(certificate) != _public_text(key):
            return "its key belongs to another"
        if certificate.not_valid_after_utc <= self.renew_before:
            return f"it ends {certificate.not_valid_after_utc:%Y-%m-%d}"
        return None

    def _builder(self, subject: t.Any, issuer: t.Any, key: t.Any, days: int) -> t.Any:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - BACKDATE)
            .not_valid_after(self.now + datetime.timedelta(days=days))
        )

    def _load(self, name: str) -> tuple[t.Any, t.Any]:
        text = _read(self.path(name, "crt"))
        try:
            certificate = x509.load_pem_x509_certificate(text.encode()) if text else None
        except ValueError:
            certificate = None
        return certificate, self._load_key(name)

    def _load_key(self, name: str) -> t.Any:
        text = _read(self.path(name, "key"))
        try:
            return serialization.load_pem_private_key(text.encode(), None) if text else None
        except (ValueError, TypeError):
            return None

    def _save(self, name: str, certificate: t.Any, key: t.Any) -> None:
        self._write(self.path(name, "key"), _key_text(key))
        self._write(self.path(name, "crt"), certificate.public_bytes(serialization.Encoding.PEM).decode())

    def _write(self, path: str, text: str) -> None:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        temporary = f"{path}.new"
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text)
        os.replace(temporary, path)


def kubeconfig_text(wanted: Kubeconfig, authority: str, certificate: str, key: str) -> str:
    """The text of a kubeconfig."""

    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    # The names are plain (letters, digits, dashes), so that no YAML library is needed for this.
    user = f"{wanted.cluster}-{wanted.certificate}"
    return f"""\
apiVersion: v1
kind: Config
current-context: {wanted.cluster}
clusters:
  - name: {wanted.cluster}
    cluster:
      server: {wanted.server}
      certificate-authority-data: {encoded(authority)}
users:
  - name: {user}
    user:
      client-certificate-data: {encoded(certificate)}
      client-key-data: {encoded(key)}
contexts:
  - name: {wanted.cluster}
    context:
      cluster: {wanted.cluster}
      user: {user}
"""


def _read(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, UnicodeDecodeError):
        return None


def _key_text(key: t.Any) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _public_text(holder: t.Any) -> str:
    return (
        holder.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def _text(name: t.Any, oid: t.Any) -> str:
    return next((str(attribute.value) for attribute in name.get_attributes_for_oid(oid)), "")


def _subject(wanted: Certificate) -> t.Any:
    organizations = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, value) for value in wanted.organizations]
    return x509.Name([*organizations, x509.NameAttribute(NameOID.COMMON_NAME, wanted.common_name)])


def _alternatives(wanted: Certificate) -> list[t.Any]:
    return [
        *(x509.DNSName(name) for name in wanted.names),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in wanted.addresses),
    ]


def _usages(wanted: Certificate) -> list[t.Any]:
    oids = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}
    return [oids[usage] for usage in wanted.usages]


def _key_usage(*, authority: bool) -> t.Any:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _difference(certificate: t.Any, authority: t.Any, wanted: Certificate) -> str | None:
    if authority is None:
        return f"{wanted.authority} is missing"
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return f"{wanted.authority} did not sign it"
    if certificate.subject != _subject(wanted):
        return "its subject changed"
    if set(_extension(certificate, x509.SubjectAlternativeName)) != set(_alternatives(wanted)):
        return "its names or addresses changed"
    if set(_extension(certificate, x509.ExtendedKeyUsage)) != set(_usages(wanted)):
        return "its usages changed"
    return None


def _extension(certificate: t.Any, kind: t.Any) -> list[t.Any]:
    try:
        return list(certificate.extensions.get_extension_for_class(kind).value)
    except x509.ExtensionNotFound:
        return []
