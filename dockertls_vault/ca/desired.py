"""The desired state that the options of `ca init` describe: a root and two roles; pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from dockertls_vault.certificate.names import parse_dns_name
from dockertls_vault.errors import InvalidInput, InvalidSetting
from dockertls_vault.vault import roles

from .changes import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dockertls_vault.vault.roles import Role

    from .changes import Change


@dataclass(frozen=True)
class DesiredState:
    """The desired state of the CA; None keeps the current value, or uses the default for a new CA.

    Raises InvalidInput if options contradict each other, InvalidSetting if both roles have the same
    name.
    """

    domains: tuple[str, ...] = ()
    remove_domains: tuple[str, ...] = ()
    allow_any_name: bool = False
    allow_bare_domains: bool | None = None
    allow_localhost: bool | None = None
    common_name: str | None = None
    root_ttl: timedelta | None = None
    server_role: str = "server"
    client_role: str = "client"

    def __post_init__(self) -> None:
        if self.allow_any_name and self.domains:
            raise InvalidInput("--domain and --allow-any-name are mutually exclusive")
        for domain in self.domains:
            if domain in self.remove_domains:
                raise InvalidInput(
                    f"the domain {domain!r} is given to both --domain and --remove-domain"
                )
        if self.server_role == self.client_role:
            raise InvalidSetting(
                f"the server role and the client role have the same name: {self.server_role!r}",
                hint="each role signs for one purpose: set DOCKERTLS_SERVER_ROLE or "
                "DOCKERTLS_CLIENT_ROLE to another name",
            )

    @property
    def max_ttl(self) -> timedelta:
        """The longest TTL that either role allows."""
        return timedelta(seconds=max(role["max_ttl"] for role in self.roles.values()))

    @property
    def roles(self) -> dict[str, Role]:
        """The roles by name, as Vault returns them when they are new."""
        return {name: self.role(name, None) for name in (self.server_role, self.client_role)}

    def role(self, name: str, found: Role | None) -> Role:
        """Return the desired state of the role ``name``, given the one that was ``found``."""
        if name == self.client_role:
            return roles.CLIENT
        return roles.server(
            found,
            domains=self.domains,
            remove_domains=self.remove_domains,
            allow_any_name=self.allow_any_name,
            allow_bare_domains=self.allow_bare_domains,
            allow_localhost=self.allow_localhost,
        )

    def changes(self, name: str, found: Role | None) -> tuple[Change, ...]:
        """Return the changes from ``found`` to the desired state of the role ``name``.

        Raises InvalidInput if the role would allow servers no name at all.
        """
        role = self.role(name, found)
        if not role["allow_any_name"] and not role["allowed_domains"]:
            raise InvalidInput(
                "missing --domain (or --allow-any-name)",
                hint="use --domain example.internal, or --allow-any-name",
            )
        requested = roles.SET_BY_OPTION if name == self.server_role else frozenset()
        return differences(found, role, requested)


def parse_domains(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains in the form that certificates use, without duplicates; raises InvalidInput."""
    domains = tuple(dict.fromkeys(map(parse_dns_name, texts)))
    for domain in domains:
        if "_" in domain:
            raise InvalidInput(
                f"underscore in a domain: {domain!r}",
                hint="use another domain: the role enforces host names (RFC 1123) and would reject "
                "every name below it",
            )
        if domain.startswith("*."):
            raise InvalidInput(
                f"wildcard in a domain: {domain!r}", hint=f"did you mean {domain[2:]!r}?"
            )
    return domains


def parse_removals(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains to remove from a role, which may have some that ``parse_domains`` rejects."""
    return tuple(
        text.lower() if text.isascii() and text.strip() else parse_dns_name(text) for text in texts
    )
