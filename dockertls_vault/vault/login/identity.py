"""The token of a session: read from where it is set, or obtained by a login; renewed on demand."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from dockertls_vault.errors import LoginDenied, TokenRejected
from dockertls_vault.settings.method import Method
from dockertls_vault.vault.unconfigured import no_token

from . import approle
from .method import choose, without_token
from .token import given_token

if TYPE_CHECKING:
    from dockertls_vault.settings.schema import Settings

    from .method import Authenticator, Login

logger = logging.getLogger(__name__)


class Identity:
    """Provides the token of a session, which is obtained when it is first needed."""

    def __init__(self, settings: Settings, authenticator: Authenticator) -> None:
        self._settings = settings
        self._authenticator = authenticator
        self._choice = choose(settings)
        self._token: str | None = None
        self._given: tuple[str, str] | None = None
        self._checked: str | None = None
        self._found = ""
        self.logins: list[Login] = []
        self._used: Counter[str] = Counter()

    @property
    def defers_login(self) -> bool:
        """Whether a login is pending that spends a one-time secret or prompts for a password."""
        return self._token is None and (
            self._choice.method in {Method.USERPASS, Method.LDAP}
            or (
                self._choice.method is Method.APPROLE
                and approle.wrapped_in(self._settings) is not None
            )
        )

    def prepare(self) -> None:
        """Read an existing token before any request is sent; a login happens on demand."""
        if self._choice.method is Method.TOKEN:
            self._given = self._look()

    def token(self) -> str:
        """Return the token; raises NoToken if there is none, or what a login raises."""
        if self._token is None:
            self._token = self._find()
        return self._token

    def count(self, token: str) -> None:
        """Count a request that Vault answered as one use of ``token``."""
        self._used[token] += 1

    def is_over(self, login: Login) -> bool:
        """Tell whether the token has expired, or has been used as often as it may be."""
        age = time.monotonic() - login.since
        expired = login.ttl is not None and 0 < login.ttl.total_seconds() < age
        return expired or (login.uses is not None and self._used[login.token] >= login.uses)

    def found(self) -> str:
        """Describe where the token comes from, and why it was chosen."""
        self.token()
        return self._found

    def renew(self) -> bool:
        """Read the token again, or log in again, after Vault rejected it.

        Return whether the token is a different one.
        """
        before, self._token = self._token, None
        try:
            self._token = self._find()
        except LoginDenied as error:
            raise LoginDenied(
                f"the token from our login is no longer valid, and then {error.message}",
                hint=error.hint,
            ) from None
        return self._token != before

    def explain_rejection(self, refused: TokenRejected) -> TokenRejected:
        """Return the error with the source of the rejected token, and what to do about it."""
        whose = f"the token from {self._found}"
        if self._choice.method is not Method.TOKEN:
            whose = f"the token from our login ({self._found})"
        own_hint = "" if refused.hint == refused.default_hint else refused.hint
        return TokenRejected(
            f"Vault rejected {whose}: {refused.why}",
            why=refused.why,
            hint=own_hint or self._remedy(),
        )

    def _remedy(self) -> str:
        """Return what to do about a rejected token, depending on its source."""
        if self._choice.method is not Method.TOKEN:
            return (
                "check the auth role: token_bound_cidrs must include this machine, and "
                "token_num_uses must be high enough"
            )
        doubt = "it may have expired, been revoked, or belong to another server;"
        if self._settings.token is not None:
            variable = self._settings.origins["token"]
            instead = choose(without_token(self._settings))
            if instead.method is not Method.TOKEN:
                return f"{doubt} unset {variable} to log in with {instead.method}: {instead.why}"
            return f"{doubt} unset {variable}, or log in again and set it to the new token"
        if self._settings.token_file is not None:
            return f"{doubt} check that the agent that writes this file is still running"
        return f"{doubt} log in again with `bao login` or `vault login`"

    def _find(self) -> str:
        method, why = self._choice.method, self._choice.why
        if method is not Method.TOKEN:
            login = self._authenticator.login(method, self.logins.append)
            self._found = f"logged in with {method} at auth/{self._authenticator.mount(method)}"
            self._found += f", because {why}"
            logger.debug("%s", self._found)
            return login.token
        (token, origin), self._given = self._given or self._look(), None
        if token != self._checked:
            self._authenticator.refuse_wrapping(token, origin)
            self._checked = token
            logger.debug("the token comes from %s", origin)
        self._found = origin
        return token

    def _look(self) -> tuple[str, str]:
        """Return the existing token and its source."""
        given = given_token(self._settings)
        if given is None:
            raise no_token(self._settings)
        return given
