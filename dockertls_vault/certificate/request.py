"""A request for a certificate from Vault; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from .names import Names


class Purpose(StrEnum):
    """Who presents the certificate; each purpose has exactly one extended key usage."""

    SERVER = "server"
    CLIENT = "client"


class KeyType(StrEnum):
    """The key types that both ends of a Docker connection support."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"

    @property
    def algorithm(self) -> str:
        """The value for ``key_type`` in a Vault role: ec, rsa or ed25519."""
        return self.value.partition("-")[0]

    @property
    def bits(self) -> int:
        """The value for ``key_bits`` in a Vault role; 0 for Ed25519, which has a single size."""
        return int(self.value.partition("-")[2].removeprefix("p") or 0)


@dataclass(frozen=True)
class Request:
    """A certificate to request from the role ``role`` of the PKI mount ``mount``.

    ``names`` go into the SAN (empty for a client); without a ``common_name`` the subject is empty.
    """

    purpose: Purpose
    mount: str
    role: str
    names: Names
    common_name: str | None
    ttl: timedelta
    key_type: KeyType
