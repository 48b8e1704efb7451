"""What was asked for: enough to ask for the same again, and no secret."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

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


class Layout(StrEnum):
    """How the files are named: as dockerd and the docker CLI, or as docker:dind expects them."""

    DOCKER = "docker"
    DIND = "dind"


@dataclass(frozen=True)
class Request:
    """One credential as it was asked for.

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
    layout: Layout
    trust_mount: str | None = None
    owner: str | None = None
    group: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what ``request.json`` holds: names as lists, the TTL in seconds."""
        return {
            "version": 1,
            "purpose": self.purpose.value,
            "mount": self.mount,
            "role": self.role,
            "trust_mount": self.trust_mount,
            "dns_names": list(self.names.dns),
            "ip_addresses": list(self.names.addresses),
            "common_name": self.common_name,
            "ttl_seconds": int(self.ttl.total_seconds()),
            "key_type": self.key_type.value,
            "layout": self.layout.value,
            "owner": self.owner,
            "group": self.group,
        }
