"""Choose an auth method, and log in to Vault with it."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

from dockertls_vault.errors import DockerTLSError, InvalidSetting, LoginDenied, NoToken, NotVault
from dockertls_vault.settings.method import Method
from dockertls_vault.settings.schema import InFile
from dockertls_vault.vault.answers import fields

from . import approle, wrapping
from .jwt import find_jwt
from .token import check_secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from datetime import timedelta

    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.http.adapter import Adapter

T = TypeVar("T")

# The settings that select a method if none is named; the first one that is set decides.
_SELECTED_BY = (
    (Method.TOKEN, ("token", "token_file")),
    (Method.APPROLE, ("role_id", "role_id_file")),
    (Method.JWT, ("jwt", "jwt_variable", "jwt_file", "github_url", "gitlab_token")),
)
_HINTS = {
    Method.APPROLE: "check the role_id, and that the secret_id is neither used up nor expired",
    Method.JWT: "compare the role's bound_audiences and bound_claims with those of the JWT",
    Method.KUBERNETES: "check that the role allows this service account and namespace",
    Method.CERT: "check that it is a client certificate from a CA that the method trusts",
    Method.USERPASS: "check the user and the password",
    Method.LDAP: "check the user and the password",
}


@dataclass(frozen=True)
class Choice:
    """An auth method, and why it was chosen."""

    method: Method
    why: str


@dataclass(frozen=True)
class Login:
    """The token of a login; a ``batch`` token cannot be revoked, only expire.

    ``ttl`` counts from the login; zero means that the token never expires. ``uses`` is how often
    it may be used, None without a limit. ``accessor``, ``ttl`` and ``uses`` are also None if the
    response has no valid value. ``since`` is the time of the response on the monotonic clock.
    ``consumed_wrapping_token`` is the source of the wrapping token that the login spent.
    """

    token: str = field(repr=False)
    batch: bool
    accessor: str | None
    ttl: timedelta | None
    uses: int | None
    since: float
    consumed_wrapping_token: str | None = None


def choose(settings: Settings) -> Choice:
    """Return the auth method that the settings name, or else the one that they imply.

    A token in the environment wins over a method in a file, because it is set per command.
    """
    origins = settings.origins
    named = settings.auth
    if named is not None and not isinstance(origins["auth"], InFile):
        return Choice(named, f"{origins['auth']} is set")
    if settings.token is not None:
        return Choice(Method.TOKEN, f"{origins['token']} is set")
    if named is not None:
        return Choice(named, f"{origins['auth']} is set")
    for method, names in _SELECTED_BY:
        for name in names:
            if name in origins:
                return Choice(method, f"{origins[name]} is set")
    if settings.auth_role is not None and settings.kubernetes_host is not None:
        return Choice(Method.KUBERNETES, f"this is a pod, and {origins['auth_role']} is set")
    return Choice(Method.TOKEN, "nothing else is set")


def without_token(settings: Settings) -> Settings:
    """Return the settings without the token from the environment."""
    origins = {name: origin for name, origin in settings.origins.items() if name != "token"}
    return dataclasses.replace(settings, token=None, origins=origins)


class Authenticator:
    """Logs in to Vault; keeps an unwrapped secret_id or a typed password for the next login."""

    def __init__(
        self,
        settings: Settings,
        anonymous: Adapter,
        *,
        once: Callable[[], AbstractContextManager[None]],
        spending: Callable[[], AbstractContextManager[float]],
        ask: Callable[[str], str] | None,
    ) -> None:
        self._settings = settings
        self._anonymous = anonymous
        self._once = once
        self._spending = spending
        self._ask = ask
        self._secret_id: str | None = None
        self._password: str | None = None
        self._methods = {
            Method.APPROLE: self._approle,
            Method.JWT: self._jwt,
            Method.KUBERNETES: self._kubernetes,
            Method.CERT: self._cert,
            Method.USERPASS: self._userpass,
            Method.LDAP: self._ldap,
        }

    def mount(self, method: Method) -> str:
        """Return the mount of ``method``, below ``auth/``."""
        return self._settings.auth_mount or method.value

    def refuse_wrapping(self, token: str, origin: str) -> None:
        """Raise NoToken for a wrapping token, which would be spent if it were used as a token."""
        wrapping.refuse(self._anonymous, token, origin)

    def login(self, method: Method, note: Callable[[Login], None]) -> Login:
        """Log in with ``method``, which is not TOKEN.

        ``note`` is called before the response is fully checked, so that the token can be revoked in
        any case. Raises LoginDenied with Vault's message, NoToken if there is nothing to log in
        with, and what the cluster raises; its hint says if a token may be left behind in Vault.
        """
        mount = self.mount(method)
        try:
            body = self._methods[method](mount)
        except LoginDenied as error:
            error.hint = error.hint or (
                f"{self._hint(method)} (also check that the {method} method is enabled at "
                f"auth/{mount})"
            )
            raise
        try:
            auth = _auth(body, method)
            noted = _noted(auth, method)
        except NotVault as error:
            error.hint = f"{_left_behind(method)} {error.hint}".rstrip()
            raise
        consumed = approle.wrapped_in(self._settings) if method is Method.APPROLE else None
        login = dataclasses.replace(noted, consumed_wrapping_token=consumed)
        note(login)
        _check(auth)
        return login

    def _send(self, method: Method, mount: str, body: object, *, user: str = "") -> Any:
        """Send a login request once: each one creates a token, and may spend a secret.

        If Vault may have carried it out without a response, the hint warns of the unknown token.
        """
        path = f"/v1/auth/{quote(mount)}/login"
        try:
            with self._once():
                return self._anonymous.post(f"{path}/{quote(user)}" if user else path, json=body)
        except DockerTLSError as error:
            if error.acted:
                error.hint = f"{_left_behind(method)} {error.hint}".rstrip()
            raise

    def _hint(self, method: Method) -> str:
        if method is Method.APPROLE and not approle.has_secret_id(self._settings):
            return approle.NO_SECRET_ID
        return _HINTS[method]

    def _approle(self, mount: str) -> Any:
        role_id = approle.role_id(self._settings)
        if self._secret_id is None:
            self._secret_id = approle.secret_id(self._settings, self._anonymous, mount, self._once)
        body = {"role_id": role_id, "secret_id": self._secret_id}
        return self._send(Method.APPROLE, mount, body)

    def _jwt(self, mount: str) -> Any:
        jwt = find_jwt(self._settings, self._spending)
        return self._send(Method.JWT, mount, {"role": self._settings.auth_role, "jwt": jwt})

    def _kubernetes(self, mount: str) -> Any:
        role = _required(self._settings.auth_role, "DOCKERTLS_AUTH_ROLE", "role")
        origin = self._settings.origins.get("kubernetes_token_file")
        jwt = read_secret(self._settings.kubernetes_token_file, origin)
        return self._send(Method.KUBERNETES, mount, {"role": role, "jwt": jwt})

    def _cert(self, mount: str) -> Any:
        # The TLS connection presents the certificate.
        _required(self._settings.client_cert, "VAULT_CLIENT_CERT", "client certificate")
        role = self._settings.auth_role
        return self._send(Method.CERT, mount, {"name": role} if role else {})

    def _userpass(self, mount: str) -> Any:
        user, password = self._user(Method.USERPASS)
        return self._send(Method.USERPASS, mount, {"password": password}, user=user)

    def _ldap(self, mount: str) -> Any:
        user, password = self._user(Method.LDAP)
        return self._send(Method.LDAP, mount, {"password": password}, user=user)

    def _user(self, method: Method) -> tuple[str, str]:
        user = _required(self._settings.auth_user, "DOCKERTLS_AUTH_USER", "user")
        if self._password is None:
            if self._ask is None:
                raise NoToken(
                    f"cannot prompt for the password of {user!r}: not a terminal",
                    hint="use another auth method here (--auth)",
                )
            self._password = self._ask(f"password of {user} ({method})")
        return user, self._password


def _left_behind(method: Method) -> str:
    spent = ", and the secret_id may be spent" if method is Method.APPROLE else ""
    return (
        f"the login may have succeeded anyway: then an unknown token stays valid for the {method} "
        f"role's token_ttl (32d unless the role or Vault sets less){spent}."
    )


def _auth(body: Any, method: Method) -> dict[str, Any]:
    auth = body.get("auth") if isinstance(body, dict) else None
    if not isinstance(auth, dict):
        raise NotVault(f"the server did not respond to the {method} login like Vault: no token")
    if not auth.get("client_token") and auth.get("mfa_requirement"):
        raise LoginDenied(
            f"Vault requires MFA for the {method} login",
            hint="use an auth method without MFA, or a token (VAULT_TOKEN)",
        )
    return auth


def _noted(auth: dict[str, Any], method: Method) -> Login:
    """Return the login with all that revoking the token needs, even if other fields are invalid."""
    return Login(
        _token(auth, method),
        batch=auth.get("token_type") == "batch",
        accessor=_if_valid(fields.optional_text, auth, "accessor"),
        ttl=_if_valid(fields.seconds, auth, "lease_duration"),
        uses=_if_valid(fields.number, auth, "num_uses") or None,
        since=time.monotonic(),
    )


def _if_valid(
    read: Callable[[dict[str, Any], str], T], auth: dict[str, Any], name: str
) -> T | None:
    try:
        return read(auth, name)
    except NotVault:
        return None


def _check(auth: dict[str, Any]) -> None:
    """Raise NotVault for a field of the wrong type."""
    fields.optional_text(auth, "accessor")
    fields.optional_text(auth, "token_type")
    fields.seconds(auth, "lease_duration")
    fields.number(auth, "num_uses")


def _token(auth: dict[str, Any], method: Method) -> str:
    """Return the token of a login; raises NotVault for one that cannot be sent in a header."""
    try:
        return check_secret(fields.text(auth, "client_token"), "Vault's answer")
    except (NoToken, NotVault):
        raise NotVault(
            f"the server did not respond to the {method} login like Vault: no token"
        ) from None


def _required(value: T | None, variable: str, what: str) -> T:
    if value is None:
        raise InvalidSetting(f"no {what} to log in with", hint=f"set {variable}")
    return value
