"""A session with Vault: its connection, and the token for its requests."""

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
    from datetime import timedelta
    from types import TracebackType

    import hvac

    from dockertls_vault.settings.schema import Settings

    from .login.method import Login
    from .progress import Progress

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds for revoking our tokens, even if the timeout has passed.
_REVOKING = 5.0


class _WithToken(Adapter):
    """Sends requests with our token, and with a new one if Vault rejects it."""

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
            raise self._identity.explain_rejection(refused) from None


class Session:
    """The connection of one command to Vault; a context manager.

    Entering raises NoToken if there is neither a token nor an auth method to log in with. Leaving,
    for whatever reason, revokes the tokens that it logged in for.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        progress: Progress,
        ask: Callable[[str], str] | None,
        needs_token: bool = True,
    ) -> None:
        self.settings = settings
        self._needs_token = needs_token
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
        self._revoked: list[Login] = []

    def __enter__(self) -> Self:
        if self._needs_token:
            self.identity.prepare()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._revoke_all()
        finally:
            self._cluster.close()
            self._transport.close()

    def _revoke_all(self) -> None:
        self._cluster.allow(_REVOKING)
        with stop.shielded():
            for login in self.identity.logins:
                if login not in self._revoked:
                    self._revoke(login)
                    self._revoked.append(login)

    def _revoke(self, login: Login) -> None:
        """Revoke a token; a failure is logged, so that it does not hide another one."""
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
        """The hvac client; loaded on demand, because importing it takes longer than a request."""
        from .client import client

        return client(self.adapter)

    @contextmanager
    def reading(self, read: Callable[[Adapter], T]) -> Iterator[Callable[[], T]]:
        """Run ``read`` in the background within the context, without a token.

        It uses another connection. Yields a function that waits, and returns or raises what
        ``read`` does. If a login is pending that spends a one-time secret, ``read`` runs first.
        """
        if self.identity.defers_login:
            found = read(self.anonymous)
            yield lambda: found
            return
        cluster = self._cluster.for_another_thread()

        def work() -> T:
            try:
                return read(Adapter(cluster, self.settings.namespace))
            finally:
                cluster.close()

        with in_background(work) as result:
            yield lambda: self._cluster.joined(result)

    @contextmanager
    def logging_in(self) -> Iterator[Callable[[], str]]:
        """Obtain the token in the background within the context; yields a function that waits.

        That function raises what ``Identity.token`` does; send no request with a token before it
        returns. If the login prompts for a password or spends a one-time secret, it happens only
        when that function is called.
        """
        if self.identity.defers_login:
            yield self.identity.token
            return
        with in_background(self.identity.token) as token:
            yield token

    @contextmanager
    def logging_out(self) -> Iterator[None]:
        """Revoke the tokens of our logins in the background, within the context.

        The caller must not send requests to Vault from then on.
        """
        if not self.identity.logins:
            yield
            return
        with in_background(self._revoke_all) as revoked:
            yield
            with stop.shielded():  # a signal comes too late when the work is done
                revoked()

    def wait(self, seconds: float, why: str) -> bool:
        """Wait, and report why, if the timeout allows it; return whether it did."""
        return self._cluster.wait(seconds, why)

    def at_most(self, seconds: float) -> AbstractContextManager[None]:
        """Within the context, limit the time for requests to ``seconds``."""
        return self._cluster.at_most(seconds)

    def allow(self, time: timedelta) -> None:
        """Set the budget for what comes next, whatever is left of it."""
        self._cluster.allow(time.total_seconds())

    def once(self) -> AbstractContextManager[None]:
        """Within the context, do not resend a request that Vault may have carried out."""
        return self._cluster.once()


def _not_revoked(login: Login, error: DockerTLSError) -> str:
    """Return the warning about a token that we could not revoke; never contains the token."""
    if login.ttl is None:
        validity = "its TTL is unknown"
    elif login.ttl:
        validity = f"its TTL was {format_duration(login.ttl)} at login"
    else:
        validity = "it never expires"
    # No accessor starts with a dash, and `bao` would take it for a flag.
    accessor = login.accessor or "ACCESSOR"
    named = "ACCESSOR" if accessor.startswith("-") else quote(accessor)
    return (
        f"could not revoke the token from our login; {validity}: {error.message}; "
        f"`bao token revoke -accessor {named}` revokes it"
    )


def open_session(
    settings: Settings,
    *,
    progress: Progress | None = None,
    ask: Callable[[str], str] | None = None,
    needs_token: bool = True,
) -> Session:
    """Return a session; logs a warning if others can read or forge the connection.

    ``progress`` shows the reason for a long wait, which is logged by default. ``ask`` prompts for
    a password and returns it. Without ``needs_token``, that there is none is an error only once a
    request needs one.
    """
    for address in settings.addresses:
        if plaintext.exposes_token(address, settings):
            logger.warning(plaintext.warning(address))
    if settings.skip_verify:
        origin = settings.origins.get("skip_verify", "default")
        logger.warning(
            "TLS verification of Vault is disabled (%s): anyone on the network path can "
            "impersonate Vault",
            origin,
        )
    return Session(settings, progress=progress or Logged(), ask=ask, needs_token=needs_token)
