"""AppRole's role_id and secret_id; a wrapped secret_id is unwrapped only if its origin is right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dockertls_vault.errors import LoginDenied, NoToken
from dockertls_vault.vault.answers import fields

from . import wrapping
from .token import check_secret, read_secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from dockertls_vault.settings.schema import Settings
    from dockertls_vault.vault.http.adapter import Adapter

NO_SECRET_ID = (
    "no secret_id is set: set "  # noqa: S105 - a message
    "DOCKERTLS_SECRET_ID, DOCKERTLS_SECRET_ID_FILE or, if it is wrapped, "
    "DOCKERTLS_WRAPPED_SECRET_ID or DOCKERTLS_WRAPPED_SECRET_ID_FILE"
)
# A wrapping token can also be a JWT, which has two dots as well.
_TOKEN = re.compile(r"(?P<prefix>s|hvs)\.[^.]+(\.(?P<namespace>[^.]+))?")


def role_id(settings: Settings) -> str:
    """Return the role_id; raises NoToken if there is none."""
    found = _either(settings, "role_id", settings.role_id, settings.role_id_file)
    if found is None:
        raise NoToken(
            "no role_id for AppRole", hint="set DOCKERTLS_ROLE_ID or DOCKERTLS_ROLE_ID_FILE"
        )
    return found


def secret_id(
    settings: Settings,
    anonymous: Adapter,
    mount: str,
    once: Callable[[], AbstractContextManager[None]],
) -> str | None:
    """Return the secret_id, or None if none is set, for a role with bind_secret_id=false.

    Raises WrappingTokenInvalid if it was already unwrapped. Raises LoginDenied, without unwrapping
    it, if it was wrapped in another namespace, or is not a secret_id of ``mount``.
    """
    plain = _either(settings, "secret_id", settings.secret_id, settings.secret_id_file)
    if plain is not None:
        return plain
    token = _either(
        settings,
        "wrapped_secret_id",
        settings.wrapped_secret_id,
        settings.wrapped_secret_id_file,
    )
    if token is None:
        return None
    _check_namespace(settings, token)
    _check_origin(anonymous, token, mount, settings.auth_role)
    with once():
        data = wrapping.unwrap(anonymous, token)
    return check_secret(fields.text(data, "secret_id"), "the wrapped secret_id")


def has_secret_id(settings: Settings) -> bool:
    """Tell whether a secret_id is set, plain or wrapped."""
    given = (
        settings.secret_id,
        settings.secret_id_file,
        settings.wrapped_secret_id,
        settings.wrapped_secret_id_file,
    )
    return any(value is not None for value in given)


def wrapped_in(settings: Settings) -> str | None:
    """Return the source of the wrapping token that a login will spend, or None."""
    if settings.secret_id is not None or settings.secret_id_file is not None:
        return None
    if settings.wrapped_secret_id is not None:
        return settings.origins["wrapped_secret_id"]
    file = settings.wrapped_secret_id_file
    return None if file is None else str(file)


def _either(settings: Settings, name: str, value: str | None, file: Path | None) -> str | None:
    if value is not None:
        return check_secret(value, settings.origins[name])
    return None if file is None else read_secret(file, settings.origins[f"{name}_file"])


def _check_namespace(settings: Settings, token: str) -> None:
    """Raise LoginDenied if only one of the wrapping token and the settings has a namespace.

    Vault looks up and unwraps a token in any namespace. A token of a namespace ends with that
    namespace's id, which cannot be compared with a name. The lack of an id is only conclusive in
    OpenBao's format: HashiCorp Vault (``hvs.``) can encode the namespace inside the token.
    """
    form = _TOKEN.fullmatch(token)
    if form is None:
        return
    expected = settings.namespace not in {None, "root"}
    if form["namespace"] and not expected:
        raise LoginDenied(
            "the wrapped secret_id was created in a namespace, but none is set; it was not "
            "unwrapped",
            hint="set VAULT_NAMESPACE or BAO_NAMESPACE to the namespace that it was created in",
        )
    if form["prefix"] == "s" and not form["namespace"] and expected:
        raise LoginDenied(
            "the wrapped secret_id was created in the root namespace, but "
            f"{settings.origins['namespace']} is {settings.namespace!r}; it was not unwrapped",
            hint="create it in that namespace, or unset the namespace here",
        )


def _check_origin(anonymous: Adapter, token: str, mount: str, role: str | None) -> None:
    """Raise LoginDenied for a token that wraps anything but a secret_id of the expected role.

    An attacker could replace it with a secret_id of their own role.
    """
    path = wrapping.creation_path(anonymous, token)
    name = "[^/]+" if role is None else re.escape(role)
    if not re.fullmatch(rf"auth/{re.escape(mount)}/role/{name}/secret-id", path):
        expected = f"auth/{mount}/role/{role or 'ROLE'}/secret-id"
        raise LoginDenied(
            f"the wrapped secret_id was created at {path!r}, not at {expected!r}; it was not "
            "unwrapped",
            hint="unless you know who created it there, assume that an attacker planted it",
        )
