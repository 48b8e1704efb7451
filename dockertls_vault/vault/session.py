"""A session with Vault: how it is asked, and the token it is asked with."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import cached_property
from shlex import quote
from typing import TYPE_CHECKING, Any, Self, TypeVar

from dockertls_vault import stop
from dockertls_vault.background import in_background
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import DockerTLSError, TokenRejected

from .http import plaintext
from .http.adapter import Adapter
from .http.cluster import Cluster
from .http.sender import Sender
from .http.transport import Transport
from .http.watch import Watch
from .login.identity import Identity
from .login.method import Authenticator
from .progress import Logged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    import hvac

    from dockertls_vault.settings.schema import Settings

    from .login.method import Login
    from .progress import Progress

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

# Seconds for the revocation of our tokens, whatever is left of the time for the rest.
_REVOKING = 5.0


class _WithToken(Adapter):
    """Asks with our token, or with another one where Vault refuses that."""

    def __init__(self, cluster: Cluster, namespace: str | None, identity: Identity) -> None:
        super().__init__(cluster, namespace)
        self._identity = identity

    def request(self, method: str, path: str, **more: Any) -> Any:
        try:
            body = self._send(method, path, more)
        except TokenRejected:
            if not self._identity.renew():
                raise
            body = self._send(method, path, more)
        self._identity.count(self._identity.token())
        return body

    def _send(self, method: str, path: str, more: Mapping[str, Any]) -> Any:
        headers = {**(more.get("headers") or {}), "X-Vault-Token": self._identity.token()}
        try:
            return super().request(method, path, **{**more, "headers": headers})
        except TokenRejected as refused:
            raise self._identity.blamed(refused) from None


class Session:
    """Vault as one command sees it; a context manager.

    It begins with NoToken where there is neither a token nor a way to log in. When it ends,
    however it ends, the tokens that it logged in for are revoked.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        progress: Progress,
        ask: Callable[[str], str] | None,
    ) -> None:
        self.settings = settings
        self._transport = Transport(settings)
        self._cluster = Cluster(settings, Sender(settings, self._transport), Watch(progress))
        self.anonymous = Adapter(self._cluster, settings.namespace)
        authenticator = Authenticator(
            settings,
            self.anonymous,
            once=self._cluster.once,
            spending=self._cluster.spending,
            ask=ask,
        )
        self.identity = Identity(settings, authenticator)
        self.adapter = _WithToken(self._cluster, settings.namespace, self.identity)

    def __enter__(self) -> Self:
        self.identity.prepare()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._cluster.allow(_REVOKING)
            with stop.shielded():
                for login in self.identity.logins:
                    self._revoke(login)
        finally:
            self._cluster.close()
            self._transport.close()

    def _revoke(self, login: Login) -> None:
        """Revoke a token; that it may be there afterwards is said, and hides no other failure."""
        if login.batch:
            return
        try:
            self.anonymous.post(
                "/v1/auth/token/revoke-self", headers={"X-Vault-Token": login.token}
            )
        except DockerTLSError as error:
            gone = isinstance(error, TokenRejected) and (error.gone or self.identity.is_over(login))
            if not gone:
                logger.warning(_not_revoked(login, error))

    @property
    def address(self) -> str:
        """The node that answered last."""
        return str(self._cluster.address)

    @cached_property
    def client(self) -> hvac.Client:
        """The client of hvac, which takes longer to import than a request takes."""
        from .client import client

        return client(self.adapter)

    @contextmanager
    def beside(self, read: Callable[[Adapter], Result]) -> Iterator[Callable[[], Result]]:
        """Within it, Vault is asked without a token, while it is asked for something else.

        This happens on another connection; give what waits for what ``read`` returns or raises. It
        is asked before, where a login is to come that uses up what can be had once.
        """
        if self.identity.spends:
            found = read(self.anonymous)
            yield lambda: found
            return
        cluster = self._cluster.for_another_thread()

        def work() -> Result:
            try:
                return read(Adapter(cluster, self.settings.namespace))
            finally:
                cluster.close()

        with in_background(work) as result:
            yield lambda: self._cluster.joined(result)

    @contextmanager
    def logging_in(self) -> Iterator[Callable[[], str]]:
        """Within it, the token is found in the background; give what waits for it.

        That raises what ``Identity.token`` raises, and nothing may be asked with a token before.
        Where somebody may be asked for a password, or a login uses up what can be had once, the
        token is found when it is waited for.
        """
        if self.identity.spends:
            yield self.identity.token
            return
        with in_background(self.identity.token) as token:
            yield token

    def wait(self, seconds: float, why: str) -> bool:
        """Wait, which is said, if there is as much left of the budget; tell whether there was."""
        return self._cluster.wait(seconds, why)

    def once(self) -> AbstractContextManager[None]:
        """Within it, a request that Vault may have acted on is not sent again."""
        return self._cluster.once()


def _not_revoked(login: Login, error: DockerTLSError) -> str:
    """Return what the user must know to revoke a token that we could not; never the token."""
    if login.ttl is None:
        validity = "its TTL is unknown"
    elif login.ttl:
        validity = f"its TTL was {format_duration(login.ttl)} at login"
    else:
        validity = "it never expires"
    # What begins with a dash would be a flag, and is no accessor.
    accessor = login.accessor or "ACCESSOR"
    named = "ACCESSOR" if accessor.startswith("-") else quote(accessor)
    return (
        f"could not revoke the token from our login; {validity}: {error.message}; "
        f"`bao token revoke -accessor {named}` (or vault) ends it"
    )


def open_session(
    settings: Settings,
    *,
    progress: Progress | None = None,
    ask: Callable[[str], str] | None = None,
) -> Session:
    """Open a session; a connection that others can read or forge is warned of.

    ``progress`` shows what a long wait is for; without one it is logged. ``ask`` returns the
    password that it is asked for.
    """
    for address in settings.addresses:
        if plaintext.exposes_token(address, settings):
            logger.warning(plaintext.words(address))
    if settings.skip_verify:
        origin = settings.origins.get("skip_verify", "default")
        logger.warning(
            "TLS verification of Vault is disabled (%s): anybody on the path can pose as Vault",
            origin,
        )
    return Session(settings, progress=progress or Logged(), ask=ask)
