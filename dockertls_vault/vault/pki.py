"""A PKI mount from the side of those who request certificates: sign, and read issuers."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.duration import to_seconds
from dockertls_vault.errors import (
    Denied,
    DockerTLSError,
    IssuerTooNew,
    NameNotAllowed,
    NotFound,
    UnknownMount,
    UnknownRole,
)

from .answers import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from .http.adapter import Adapter
    from .session import Session

_CLIENT_HINT = (
    "request another name (--name), or set allow_any_name=true, enforce_hostnames=false and "
    "cn_validations=disabled in the role, but never in a role for servers"
)

_CAPPED = re.compile(r"is longer than permitted maxTTL")
_SENT_BOTH_WAYS = re.compile(r"field was provided but the role is set with \"use_csr_")


@dataclass(frozen=True)
class Signed:
    """What a mount returned for a CSR, not yet verified; certificates are in PEM.

    ``cap_warnings`` are the warnings that Vault capped the TTL; ``warnings`` are the others.
    ``date`` is the time of the response in UTC, by Vault's clock; ``leased`` is whether Vault
    revokes the certificate with the token.
    """

    certificate: str
    chain: tuple[str, ...]
    warnings: tuple[str, ...]
    cap_warnings: tuple[str, ...]
    date: datetime | None
    leased: bool


class PKI:
    """A PKI mount; ``mount`` is its path, without leading and trailing slashes.

    ``reader`` sends the requests that need no token; by default it is the session's.
    """

    def __init__(self, session: Session, mount: str, reader: Adapter | None = None) -> None:
        self.mount = mount
        self._session = session
        self._reader = reader or session.anonymous
        self._issuers: tuple[str, ...] | None = None
        self._default_issuer: str | None = None

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

        The names are also sent as parameters, because a role that does not take them from the CSR
        would silently drop them. If the issuer is too new, waits within the timeout. Raises
        NameNotAllowed, SigningRefused, IssuerTooNew, UnknownRole, UnknownMount, and what the
        session raises.
        """
        parameters = {
            "csr": csr,
            "common_name": common_name or "",
            "alt_names": ",".join(dns_names),
            "ip_sans": ",".join(ip_addresses),
            "ttl": to_seconds(ttl),
            "exclude_cn_from_sans": True,
        }
        try:
            body = self._sign(role, parameters)
        except NameNotAllowed as refused:
            refused.names = refused.names or tuple(ip_addresses)
            purpose = Purpose.SERVER if dns_names or ip_addresses else Purpose.CLIENT
            if purpose is Purpose.CLIENT:
                refused.hint = _CLIENT_HINT
            # A role that the user chose may be the wrong one: check that before widening it.
            if named := self._session.settings.origins.get(f"{purpose}_role"):
                refused.hint = f"is {role!r} a role for {purpose}s ({named})? if so, {refused.hint}"
            raise
        data = fields.data(body)
        chain = fields.chain(data, "ca_chain")
        if not chain and data.get("issuing_ca"):
            chain = (fields.certificate(data, "issuing_ca"),)
        found = warnings(body)
        caps = tuple(filter(_CAPPED.search, found))
        return Signed(
            certificate=fields.certificate(data, "certificate"),
            chain=tuple(filter(None, chain)),
            warnings=(
                *(warning for warning in found if warning not in caps),
                *self._lease_warnings(role, body),
            ),
            cap_warnings=caps,
            date=self._session.adapter.date,
            leased=bool(body.get("lease_id")),
        )

    def issuers(self) -> tuple[str, ...]:
        """Return every issuer of the mount in PEM, including a pending root; needs no token.

        They are read once. ``ca_chain`` has only the default issuer's chain. Raises what
        ``references`` raises.
        """
        if self._issuers is None:
            self._issuers = tuple(map(self.issuer, self.references()))
        return self._issuers

    @contextmanager
    def reading_issuers(self) -> Iterator[Callable[[], tuple[str, ...]]]:
        """Read the issuers in the background, within the context.

        Yields a function that waits, and returns or raises what ``issuers`` does.
        """
        if self._issuers is not None:
            yield self.issuers
            return

        def read(reader: Adapter) -> tuple[str, ...]:
            return PKI(self._session, self.mount, reader).issuers()

        with self._session.reading(read) as result:

            def issuers() -> tuple[str, ...]:
                self._issuers = result()
                return self._issuers

            yield issuers

    def default_issuer(self) -> str:
        """Return the default issuer in PEM; it is read once, and needs no token."""
        if self._default_issuer is None:
            self._default_issuer = self.issuer("default")
        return self._default_issuer

    def revocation_time(self, serial: str) -> datetime | None:
        """Return when a certificate was revoked, in UTC, None if it was not or is not stored.

        ``serial`` is in hexadecimal with colons. Needs no token.
        """
        try:
            answer = self._read(f"cert/{serial}")
        except NotFound:
            return None
        seconds = fields.data(answer).get("revocation_time")
        if not isinstance(seconds, int) or seconds <= 0:
            return None
        return datetime.fromtimestamp(seconds, UTC)

    def logging_in(self) -> AbstractContextManager[Callable[[], object]]:
        """Obtain the token in the background, within the context; as ``Session.logging_in``."""
        return self._session.logging_in()

    def logging_out(self) -> AbstractContextManager[None]:
        """Revoke the tokens of logins in the background, within the context; sign nothing after."""
        return self._session.logging_out()

    def references(self) -> tuple[str, ...]:
        """Return the id of every issuer of the mount; needs no token.

        Raises UnknownMount if there is no such mount, or if it has no issuer.
        """
        try:
            listed = self._reader.list(f"/v1/{self.mount}/issuers")
        except NotFound as error:
            if error.errors:
                raise
            raise UnknownMount(
                f"the PKI mount {self.mount!r} has no issuer",
                hint="create one with `dockertls-vault ca init`",
            ) from None
        except Denied:
            raise self._unknown_mount() from None
        return fields.texts(fields.data(listed), "keys")

    def issuer(self, reference: str) -> str:
        """Return an issuer in PEM, by id, by name or as ``default``; needs no token."""
        answer = self._read(f"issuer/{quote(reference, safe='')}/json")
        return fields.certificate(fields.data(answer), "certificate")

    def role(self, name: str) -> dict[str, Any] | None:
        """Return the parameters of a role, None if the token may not read them.

        Raises UnknownRole.
        """
        try:
            body = self._session.client.secrets.pki.read_role(  # type: ignore[no-untyped-call]  # so are all of hvac's
                name, mount_point=self.mount
            )
        except Denied:
            return None
        except NotFound:
            raise self._unknown_role(name) from None
        role = fields.data(body)
        fields.text(role, "issuer_ref")
        return role

    def role_names(self) -> tuple[str, ...]:
        """Return the names of all roles of the mount, none if the token may not list them."""
        try:
            listed = self._session.client.secrets.pki.list_roles(  # type: ignore[no-untyped-call]  # likewise
                mount_point=self.mount
            )
            return fields.texts(fields.data(listed), "keys")
        except DockerTLSError:
            return ()

    def _read(self, path: str) -> Any:
        """Read what needs no token, so that Vault denies it only where nothing is mounted."""
        try:
            return self._reader.get(f"/v1/{self.mount}/{path}")
        except Denied:
            raise self._unknown_mount() from None

    def _unknown_mount(self) -> UnknownMount:
        return UnknownMount(f"no PKI mount {self.mount!r} in Vault")

    def _sign(self, role: str, parameters: Mapping[str, object]) -> Any:
        path = f"/v1/{self.mount}/sign/{quote(role)}"
        while True:
            try:
                return self._session.adapter.post(path, json=parameters)
            except IssuerTooNew as refused:
                from .issuer_age import wait_until_old_enough  # imported here: rarely needed

                wait_until_old_enough(self._session, role, self.role(role), self.issuer, refused)
            except UnknownRole:
                raise self._unknown_role(role) from None
            except UnknownMount:
                raise self._unknown_mount() from None

    def _lease_warnings(self, role: str, body: Any) -> tuple[str, ...]:
        """Warn that a leased certificate is revoked together with the token that requested it."""
        if not body.get("lease_id"):
            return ()
        logged_in = any(not login.batch for login in self._session.identity.logins)
        when = "when this command ends" if logged_in else "when that expires or is revoked"
        warning = (
            f"the role {role!r} creates a lease (generate_lease=true), so Vault revokes the "
            f"certificate with the token, {when}; dockerd reads no CRL, but a TLS proxy that does "
            "will reject the certificate, and `renew` disregards that it is revoked: set "
            "generate_lease=false in the role"
        )
        return (warning,)

    def _unknown_role(self, role: str) -> UnknownRole:
        names = ", ".join(self.role_names())
        known = f"the mount has these roles: {names}" if names else ""
        return UnknownRole(f"no role {role!r} in the mount {self.mount!r}", hint=known)


def warnings(body: Any) -> tuple[str, ...]:
    """Return the warnings of a response, without those about names sent both ways."""
    found = body.get("warnings") if isinstance(body, dict) else None
    texts = map(str, found) if isinstance(found, list) else ()
    return tuple(text for text in texts if not _SENT_BOTH_WAYS.search(text))
