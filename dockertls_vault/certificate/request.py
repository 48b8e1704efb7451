"""What Vault is asked to sign; pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import timedelta

    from .names import Names


class Purpose(StrEnum):
    """Who presents the certificate; each has exactly one extended key usage."""

    SERVER = "server"
    CLIENT = "client"


class KeyType(StrEnum):
    """The keys that both ends of a Docker connection take."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    EC_P521 = "ec-p521"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"
    RSA_4096 = "rsa-4096"
    ED25519 = "ed25519"

    @property
    def algorithm(self) -> str:
        """What Vault's roles call it in ``key_type``: ec, rsa or ed25519."""
        return self.value.partition("-")[0]

    @property
    def bits(self) -> int:
        """What Vault's roles call it in ``key_bits``; 0 for Ed25519, which has one size."""
        return int(self.value.partition("-")[2].removeprefix("p") or 0)


@dataclass(frozen=True)
class Request:
    """One certificate as it is requested of the role ``role`` of the PKI mount ``mount``.

    ``names`` are those of the SAN (a client has none), ``common_name`` is None where the
    subject stays empty.
    """

    purpose: Purpose
    mount: str
    role: str
    names: Names
    common_name: str | None
    ttl: timedelta
    key_type: KeyType
