"""A certificate authority as a company has one, and what it signs."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """`file` is what machines of the company trust. Like many of its kind it lacks what RFC 5280 wants of it."""

    name: str
    folder: Path
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def in_folder(cls, folder: Path, name: str = "Company CA") -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key, name, key, authority=True, ages=(-DAY, DAY))
        (folder / "ca.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        return cls(name=name, folder=folder, certificate=certificate, key=key)

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def server(self, name: str = "localhost", *, ages: tuple[timedelta, timedelta] = (-DAY, DAY)) -> ssl.SSLContext:
        """What a server of this name needs; `ages` is from when to when it is valid, as seen from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _signed(name, key, self.name, self.key, authority=False, ages=ages)
        file = self.folder / "server.pem"
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        # What a server then sends is an answer, and nothing else.
        context.num_tickets = 0
        return context


def _signed(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signer: str,
    secret: ec.EllipticCurvePrivateKey,
    *,
    authority: bool,
    ages: tuple[timedelta, timedelta],
) -> x509.Certificate:
    subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, signer))
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), now + ages[0], now + ages[1])
    names: list[x509.GeneralName] = [x509.IPAddress(ip_address(name))] if name[0].isdigit() else [x509.DNSName(name)]
    if authority:
        return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(secret, hashes.SHA256())
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False).sign(secret, hashes.SHA256())
