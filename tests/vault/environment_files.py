"""The certificates and files that environments.py refers to, valid and invalid."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.certificates import Authority, Issued, write_credential

if TYPE_CHECKING:
    from pathlib import Path

# An address of this machine outside 127.0.0.0/8.
ANY = "0.0.0.0"  # noqa: S104 - dialed, not bound
ROOT = Authority.create("root of the listener")
INTERMEDIATE = ROOT.intermediate("intermediate of the listener")
OTHER = Authority.create("another root")

_NAMES = ("localhost", "127.0.0.1", ANY, "vault.example")
_LEAF = ROOT.server(*_NAMES)
_BROKEN = b"-----BEGIN CERTIFICATE-----\ncnViYmlzaA==\n-----END CERTIFICATE-----\n"


def write_credentials(directory: Path) -> dict[str, Path]:
    """Write a certificate for each TLS server; return the directories by name."""
    leaf = INTERMEDIATE.server(*_NAMES)
    listeners = {
        "root": _LEAF,
        "intermediate": leaf,
        "unsent": Issued(leaf.certificate, leaf.key),  # without the intermediate
        "nameless": ROOT.issue("localhost"),
        "lax": _without_identifiers(),
    }
    return {
        name: write_credential(directory / name, ROOT.pem, issued)
        for name, issued in listeners.items()
    }


def _without_identifiers() -> Issued:
    """Issue a leaf without an authority key identifier, as made by hand."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "by hand")]))
        .issuer_name(ROOT.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ROOT.certificate.not_valid_before_utc)
        .not_valid_after(ROOT.certificate.not_valid_after_utc)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
    )
    return Issued(made.sign(ROOT.key, hashes.SHA256()), key)


def write_files(directory: Path) -> dict[str, str]:
    """Write the files; return their paths, or their directory's, by name."""
    files = {
        "root_ca": ROOT.pem,
        "intermediate_ca": INTERMEDIATE.pem,
        "other_ca": OTHER.pem,
        "leaf": _LEAF.certificate_pem,
        "both": b"# Z\xfcrich\n" + OTHER.pem + ROOT.pem,
        "utf_8": "# Zürich\n".encode() + ROOT.pem,
        "crlf": (OTHER.pem + ROOT.pem).replace(b"\n", b"\r\n"),
        "broken": _BROKEN + ROOT.pem,
        "keys": ROOT.client("another").key_pem + ROOT.pem,
        "rubbish": b"\xff\xfe no certificate\n",
        "cas/one.pem": OTHER.pem,
        "cas/below/two.crt": b"# Z\xfcrich\n" + ROOT.pem,
        "mixed/one.pem": ROOT.pem,
        "mixed/two.bin": b"\xff\xfe\x00 no certificate\n",
        "readme/one.pem": ROOT.pem,
        "readme/README": b"what these are\n",
        "nothing/README": b"what these are\n",
        "home/.vault-token": b"token-of-the-home\n",
        "kept": b"token-of-a-login\n",
        "empty/nothing": b"",
        "helper": b"#!/bin/sh\nprintf token-of-a-helper\n",
        "helper_config": f'token_helper = "{directory / "helper"}"\n'.encode(),
    }
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    (directory / "helper").chmod(0o700)
    (directory / "linked").mkdir()
    (directory / "linked" / "one.pem").symlink_to(directory / "root_ca")
    (directory / "hollow").mkdir()
    write_credential(directory / "client", ROOT.pem, ROOT.client("runner"))
    names = {name.partition("/")[0] for name in files} | {"client", "linked", "hollow", "absent"}
    return {name: str(directory / name) for name in names}
