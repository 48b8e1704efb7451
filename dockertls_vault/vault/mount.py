"""A PKI mount from its operator's side: read and set up the mount, its issuers and its roles."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.duration import to_seconds
from dockertls_vault.errors import NotFound, UnknownMount

from .answers import fields
from .issuer_age import limits_backdating
from .pki import warnings
from .roles import BACKDATED, CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from .roles import Role
    from .session import Session


# Warnings of builtin/logical/pki, the same in Vault and OpenBao. We request the path length, and
# Docker uses neither AIA nor CRLs, so the mount needs no URLs for them.
_INTENDED = re.compile(
    r"Max path length of the generated certificate is zero|"
    r"hasn't configured any authority information access"
)
_UNKNOWN_PARAMETERS = re.compile(r"Endpoint ignored these unrecognized parameters")


@dataclass(frozen=True)
class Issuer:
    """An issuer of the mount; without a key it cannot sign."""

    id: str
    name: str
    key_id: str | None

    @property
    def has_key(self) -> bool:
        return self.key_id is not None

    @property
    def label(self) -> str:
        """Its name, or its id if it has no name."""
        return self.name or self.id


@dataclass(frozen=True)
class Signer:
    """How an issuer signs; ``chain`` is in PEM, the issuer first, then the CAs above it.

    ``usage`` is a comma-separated list. ``leaf_not_after_behavior`` is what Vault does with a
    certificate that would outlive the issuer: err, truncate or permit.
    """

    chain: tuple[str, ...]
    revoked: bool
    usage: str
    leaf_not_after_behavior: str

    @property
    def may_sign(self) -> bool:
        return "issuing-certificates" in self.usage.split(",")


@dataclass(frozen=True)
class State:
    """The state in Vault; ``mount_type`` is None if nothing is mounted, ``default`` an issuer id.

    ``mounted_at`` is the path of the mount, which can be a parent of the requested one.
    ``max_lease_ttl`` is the effective value: the server's, if the mount has none.
    """

    mount_type: str | None = None
    mounted_at: str | None = None
    max_lease_ttl: timedelta = timedelta(0)
    issuers: tuple[Issuer, ...] = ()
    default: str | None = None
    follows_latest: bool = False
    roles: Mapping[str, Role | None] = field(default_factory=dict)

    @property
    def default_issuer(self) -> Issuer | None:
        return next((issuer for issuer in self.issuers if issuer.id == self.default), None)

    @property
    def signing(self) -> tuple[Issuer, ...]:
        """The issuers that can sign."""
        return tuple(issuer for issuer in self.issuers if issuer.has_key)


class CertificateAuthority:
    """The PKI mount at ``mount``; every write returns Vault's warnings."""

    def __init__(self, session: Session, mount: str) -> None:
        self.mount = mount
        self._session = session
        self._adapter = session.adapter
        # hvac has no type hints for these.
        self._sys: Any = session.client.sys
        self._pki: Any = session.client.secrets.pki

    def state(self, roles: tuple[str, ...]) -> State:
        """Return the current state, with the named roles."""
        # hvac can only list all mounts, which takes wider permissions.
        mounted = _found(self._adapter.get, f"/v1/sys/mounts/{self.mount}")
        if mounted is None:
            return State(roles=dict.fromkeys(roles))
        where, kind = self._mounted_at(), fields.text(mounted, "type")
        if kind != "pki" or where != self.mount:
            return State(mount_type=kind, mounted_at=where)
        tuned = _found(self._sys.read_mount_configuration, self.mount) or {}
        config = _found(self._adapter.get, f"/v1/{self.mount}/config/issuers") or {}
        return State(
            mount_type="pki",
            mounted_at=where,
            max_lease_ttl=fields.seconds(tuned, "max_lease_ttl"),
            issuers=self._issuers(),
            default=fields.optional_text(config, "default"),
            follows_latest=bool(config.get("default_follows_latest_issuer")),
            roles={name: self.role(name) for name in roles},
        )

    def signer(self, issuer: str) -> Signer | None:
        """Return an issuer by name, by id, or as ``default``; None if it does not exist."""
        found = self._issuer(issuer)
        if found is None:
            return None
        return Signer(
            chain=fields.chain(found, "ca_chain"),
            revoked=bool(found.get("revoked")),
            usage=fields.optional_text(found, "usage") or "",
            leaf_not_after_behavior=fields.optional_text(found, "leaf_not_after_behavior") or "err",
        )

    @property
    def date(self) -> datetime | None:
        """The time of Vault's last response, by its clock; None without a Date header."""
        return self._session.adapter.date

    @property
    def timeout(self) -> timedelta:
        """The time limit for all requests of a command."""
        return self._session.settings.timeout

    def limits_backdating(self) -> bool:
        """Tell whether the server rejects a notBefore that is earlier than the issuer's."""
        return limits_backdating(self._session)

    def unused_keys(self, issuers: tuple[Issuer, ...]) -> tuple[str, ...]:
        """Return the names (or ids, if unnamed) of the keys that none of the mount's issuers uses.

        Their issuer was deleted, or their CSR has not been signed yet.
        """
        # hvac has no call for it.
        listed = _found(self._adapter.list, f"/v1/{self.mount}/keys")
        keys = {} if listed is None else fields.rows(listed, "key_info")
        used = {issuer.key_id for issuer in issuers}
        return tuple(
            fields.optional_text(info, "key_name") or key
            for key, info in keys.items()
            if key not in used
        )

    def role(self, name: str) -> Role | None:
        """Return the parameters of a role, None if it does not exist."""
        found = _found(self._pki.read_role, name, mount_point=self.mount)
        return None if found is None else fields.like(found, CLIENT)

    def enable(self, max_lease_ttl: timedelta) -> tuple[str, ...]:
        return warnings(
            self._sys.enable_secrets_engine(
                "pki",
                self.mount,
                description="Docker's TLS certificates (dockertls-vault)",
                config={"max_lease_ttl": to_seconds(max_lease_ttl)},
            )
        )

    def tune(self, max_lease_ttl: timedelta) -> tuple[str, ...]:
        longest = to_seconds(max_lease_ttl)
        return warnings(self._sys.tune_mount_configuration(self.mount, max_lease_ttl=longest))

    def generate_root(self, common_name: str, issuer: str, ttl: timedelta) -> tuple[str, ...]:
        """Generate an EC P-256 root whose key never leaves Vault, and that signs only leaves."""
        parameters = {
            "issuer_name": issuer,
            "key_type": "ec",
            "key_bits": 256,
            "ttl": to_seconds(ttl),
            "not_before_duration": to_seconds(BACKDATED),
            "max_path_length": 0,
            # Otherwise the common name becomes a SAN of the CA certificate.
            "exclude_cn_from_sans": True,
        }
        with self._session.once():
            made = self._pki.generate_root(
                "internal", common_name, parameters, mount_point=self.mount
            )
        return tuple(text for text in warnings(made) if not _INTENDED.search(text))

    def set_default(self, issuer: str) -> tuple[str, ...]:
        """Make ``issuer`` the default, also after other issuers are added."""
        body = {"default": issuer, "default_follows_latest_issuer": False}
        # hvac has no call for it.
        return warnings(self._adapter.post(f"/v1/{self.mount}/config/issuers", json=body))

    def write_role(self, name: str, role: Role) -> tuple[str, ...]:
        """Write a role; a parameter that the server ignores is missing when it is read back."""
        # hvac also puts the name into the body, which makes Vault warn.
        written = self._adapter.post(f"/v1/{self.mount}/roles/{name}", json=dict(role))
        return _of_a_role(warnings(written))

    def change_role(self, name: str, parameters: Role) -> tuple[str, ...]:
        """Patch a role: a write would reset all other parameters to Vault's defaults."""
        # hvac cannot send a PATCH.
        path = f"/v1/{self.mount}/roles/{name}"
        kind = {"Content-Type": "application/merge-patch+json"}
        body = self._adapter.request("patch", path, json=dict(parameters), headers=kind)
        return _of_a_role(warnings(body))

    def _mounted_at(self) -> str:
        """Return the path of the mount; Vault responds for paths below a mount as for the mount."""
        if "/" not in self.mount:
            return self.mount
        found = _found(self._adapter.get, f"/v1/sys/internal/ui/mounts/{self.mount}") or {}
        return (fields.optional_text(found, "path") or self.mount).strip("/")

    def _issuers(self) -> tuple[Issuer, ...]:
        listed = _found(self._pki.list_issuers, mount_point=self.mount)
        known = {} if listed is None else fields.rows(listed, "key_info")
        return tuple(
            Issuer(
                reference,
                fields.optional_text(info, "issuer_name") or "",
                # Not every server includes it in the list.
                fields.optional_text(
                    info if "key_id" in info else self._issuer(reference) or {}, "key_id"
                ),
            )
            for reference, info in known.items()
        )

    def _issuer(self, reference: str) -> dict[str, Any] | None:
        return _found(self._pki.read_issuer, reference, mount_point=self.mount)


def _found(read: Callable[..., Any], *what: str, **where: str) -> dict[str, Any] | None:
    """Return the data that an hvac call reads, None if it does not exist."""
    try:
        return fields.data(read(*what, **where))
    except (UnknownMount, NotFound):
        return None


def _of_a_role(said: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text for text in said if not _UNKNOWN_PARAMETERS.search(text))
