"""What `ca init` is asked for: a root, and who gets which names by the roles; pure."""

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
    """What the CA shall be; None leaves what is there, or takes the default where nothing is.

    Raises InvalidInput for what contradicts itself, InvalidSetting if the two roles would be
    one.
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
                hint="a certificate is for one of the two: set DOCKERTLS_SERVER_ROLE or "
                "DOCKERTLS_CLIENT_ROLE",
            )

    @property
    def longest(self) -> timedelta:
        """The longest TTL that the roles sign for."""
        return timedelta(seconds=max(role["max_ttl"] for role in self.roles.values()))

    @property
    def roles(self) -> dict[str, Role]:
        """The roles by name where there are none yet, as Vault reads them back."""
        return {name: self.role(name, None) for name in (self.server_role, self.client_role)}

    def role(self, name: str, found: Role | None) -> Role:
        """Return what the role ``name`` shall be over the one that was ``found``."""
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
        """Return what is to change in the role ``name``; nothing if it is as it shall be.

        Raises InvalidInput where servers would be left without any name.
        """
        role = self.role(name, found)
        if not role["allow_any_name"] and not role["allowed_domains"]:
            raise InvalidInput(
                "missing --domain (or --allow-any-name)",
                hint="give --domain example.internal, or --allow-any-name",
            )
        asked = roles.ASKED if name == self.server_role else frozenset()
        return differences(found, role, asked)


def parse_domains(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains as certificates have them, each once; raises InvalidInput."""
    domains = tuple(dict.fromkeys(map(parse_dns_name, texts)))
    for domain in domains:
        if "_" in domain:
            raise InvalidInput(
                f"underscore in a domain: {domain!r}",
                hint="choose another: the role enforces host names (RFC 1123) and rejects every "
                "name below it",
            )
        if domain.startswith("*."):
            raise InvalidInput(
                f"wildcard in a domain: {domain!r}", hint=f"did you mean {domain[2:]!r}?"
            )
    return domains


def parse_removals(texts: Sequence[str]) -> tuple[str, ...]:
    """Return domains to look for in a role, where others may have put what we would not."""
    return tuple(
        text.lower() if text.isascii() and text.strip() else parse_dns_name(text) for text in texts
    )
