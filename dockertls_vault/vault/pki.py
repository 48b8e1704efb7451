"""One PKI mount, as whoever needs a certificate sees it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dockertls_vault.duration import to_seconds
from dockertls_vault.errors import (
    DockerTLSError,
    NotVault,
    UnknownMount,
    UnknownRole,
    VaultError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from .session import Session

_SENT_BOTH_WAYS = re.compile(r"field was provided but the role is set with \"use_csr_")


@dataclass(frozen=True)
class Signed:
    """What a mount returned for a CSR, unchecked: PEM, Vault's warnings, and its time in UTC."""

    certificate: str
    chain: tuple[str, ...]
    warnings: tuple[str, ...]
    date: datetime | None


class PKI:
    """A mount; ``mount`` is its path without slashes around it."""

    def __init__(self, session: Session, mount: str) -> None:
        self.mount = mount
        self._session = session

    def sign(
        self,
        role: str,
        csr: str,
        *,
        common_name: str | None,
        dns_names: Sequence[str],
        ip_addresses: Sequence[str],
        ttl: timedelta,
    ) -> Signed:
        """Have a CSR signed by ``role``.

        The names go along as parameters too: a role that does not take them from the CSR
        would drop them without a word. Raises NameRefused, UnknownRole, UnknownMount and what
        the session raises.
        """
        parameters = {
            "alt_names": ",".join(dns_names),
            "ip_sans": ",".join(ip_addresses),
            "ttl": to_seconds(ttl),
            "exclude_cn_from_sans": True,
        }
        try:
            body = self._session.client.secrets.pki.sign_certificate(  # type: ignore[no-untyped-call]  # so are all of hvac's
                name=role,
                csr=csr,
                common_name=common_name or "",
                extra_params=parameters,
                mount_point=self.mount,
            )
        except UnknownRole:
            raise self._unknown_role(role) from None
        except UnknownMount:
            raise UnknownMount(f"no PKI mount {self.mount!r} in Vault") from None
        data = _data(body, "certificate")
        chain = data.get("ca_chain") or [data.get("issuing_ca")]
        return Signed(
            str(data["certificate"]),
            tuple(str(pem) for pem in chain if pem),
            warnings(body),
            self._session.date,
        )

    def issuers(self) -> tuple[str, ...]:
        """Return every issuer of the mount in PEM, a pending root included; needs no token.

        ``ca_chain`` would tell of the default issuer alone. Raises UnknownMount where there is
        no such mount, and for a mount without an issuer.
        """
        adapter = self._session.anonymous.adapter
        try:
            listed = adapter.list(f"/v1/{self.mount}/issuers")
        except VaultError as error:
            if error.status != 404 or error.errors:
                raise
            raise UnknownMount(
                f"the PKI mount {self.mount!r} has no issuer",
                hint="make one with `dockertls-vault ca init`",
            ) from None
        except DockerTLSError as error:
            if error.exit_status != 77:
                raise
            raise UnknownMount(f"no PKI mount {self.mount!r} in Vault") from None
        keys = _data(listed, "keys")["keys"]
        return tuple(
            str(
                _data(adapter.get(f"/v1/{self.mount}/issuer/{key}/json"), "certificate")[
                    "certificate"
                ]
            )
            for key in keys
        )

    def _unknown_role(self, role: str) -> UnknownRole:
        try:
            listed = self._session.client.secrets.pki.list_roles(  # type: ignore[no-untyped-call]  # likewise
                mount_point=self.mount
            )
            names = ", ".join(_data(listed, "keys")["keys"])
        except DockerTLSError:
            names = ""  # they may not be listed, and that is not what failed
        known = f"there are: {names}" if names else ""
        return UnknownRole(f"no role {role!r} in the mount {self.mount!r}", hint=known)


def warnings(body: Any) -> tuple[str, ...]:
    """Return the warnings of an answer, but for those about names that are sent both ways."""
    found = body.get("warnings") if isinstance(body, dict) else None
    texts = map(str, found) if isinstance(found, list) else ()
    return tuple(text for text in texts if not _SENT_BOTH_WAYS.search(text))


def _data(body: Any, wanted: str) -> dict[str, Any]:
    """Return the data of an answer, which must hold ``wanted``; anything else is not Vault's."""
    data = body.get("data") if isinstance(body, dict) else None
    if not isinstance(data, dict) or not data.get(wanted):
        raise NotVault(f"the answer has no {wanted!r}, as Vault's would")
    return data
