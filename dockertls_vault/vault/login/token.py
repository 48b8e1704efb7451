"""Read an existing token, from the same places and in the same order as Vault's command line."""

from __future__ import annotations

import json
import os
import re
import signal
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from dockertls_vault import stop
from dockertls_vault.errors import InvalidInput, InvalidSetting, NoToken
from dockertls_vault.files import guarded
from dockertls_vault.settings import contents, parsers

from .wrapping import wrapped

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from dockertls_vault.settings.schema import Settings

# Seconds for a token helper, which may have to query a keyring.
_HELPER_TIMEOUT = 30.0
# HCL, or JSON, which an HCL parser also accepts.
_TOKEN_HELPER = re.compile(r'^[\s{]*"?token_helper"?\s*[=:]\s*"(?P<path>[^"\n]*)"', re.MULTILINE)
_INSTEAD = "set VAULT_TOKEN or DOCKERTLS_TOKEN_FILE, which win over a token helper"
_NAMES_HELPER = guarded.Use("names a program to run", _INSTEAD)
_IS_HELPER = guarded.Use("will be run", _INSTEAD)
# A line of a shell script or an environment file: ``export VAULT_TOKEN="hvs.…"``.
_LINE = re.compile(r"(export\s+)?(VAULT|BAO)_TOKEN=(?P<quote>[\"']?)(?P<token>.*)(?P=quote)")


def given_token(settings: Settings) -> tuple[str, str] | None:
    """Return the token and its source, or None if there is none.

    Raises InvalidSetting if a file cannot be read or a token helper fails, NoToken if a source has
    something other than a token.
    """
    if settings.token is not None:
        origin = settings.origins["token"]
        return _token_in(settings.token, origin), origin
    if settings.token_file is not None:
        return _of_file(settings.token_file, settings.origins["token_file"])
    helper = token_helper(settings)
    if helper is not None:
        limit = min(_HELPER_TIMEOUT, settings.timeout.total_seconds())
        token = _ask(helper, limit)
        return (_token_in(token, str(helper)), f"the token helper {helper}") if token else None
    file = _login_file(settings)
    named_by = settings.origins.get("token_path")
    if file is not None and _exists(file, named_by):
        return _of_file(file, named_by)
    return None


def _exists(file: Path, named_by: str | None) -> bool:
    try:
        return file.exists()
    except OSError as error:  # a parent directory is not accessible
        raise contents.unreadable(file, named_by, error.strerror) from None


def _of_file(file: Path, named_by: str | None) -> tuple[str, str]:
    return _token_in(_read(file, named_by), str(file)), str(file)


def _token_in(content: str, origin: str) -> str:
    """Return the token in ``content``: bare, as a line that sets a variable, or in JSON.

    Raises NoToken, with what was found instead.
    """
    text = content.strip()
    if match := _LINE.fullmatch(text):
        text = match["token"]
    return check_secret(_in_json(text, origin) if text.startswith("{") else text, origin)


def _in_json(text: str, origin: str) -> str:
    """Return the token in JSON from a sink of Vault Agent, or from `bao … -format=json`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NoToken(f"{origin} has invalid JSON instead of a token") from None
    match found:
        case {"encrypted_payload": _}:
            raise NoToken(
                f"{origin} has a token that Vault Agent encrypted",
                hint="configure a sink without dh_type for dockertls-vault",
            )
        case {"token": _, "creation_path": path} | {"wrap_info": {"creation_path": path}}:
            raise wrapped(origin, str(path))
        case {"token": str(token)} | {"auth": {"client_token": str(token)}}:
            return token
    raise NoToken(f"{origin} has JSON without a token")


def token_helper(settings: Settings) -> Path | None:
    """Return the token helper, if the configuration of Vault's command line names one."""
    named = settings.token_helper_config
    files = [named] if named is not None else []
    if named is None and settings.home is not None:
        files = [settings.home / ".bao", settings.home / ".vault"]
    for file in files:
        try:
            match = _TOKEN_HELPER.search(guarded.read(file, _NAMES_HELPER).decode())
        except (FileNotFoundError, IsADirectoryError):
            continue
        except (OSError, ValueError) as error:
            raise InvalidSetting(f"{file} cannot be read: {error}") from None
        if match and match["path"]:
            try:
                helper = parsers.path(match["path"])
            except InvalidInput as error:
                raise InvalidSetting(f"{file}: {error.message}", hint=error.hint) from None
            if not helper.is_absolute():
                raise InvalidSetting(f"{file}: the token helper is not an absolute path: {helper}")
            return helper
    return None


def _login_file(settings: Settings) -> Path | None:
    """Return the file in which Vault's command line stores the token of a login."""
    if settings.token_path is not None or settings.home is None:
        return settings.token_path
    return settings.home / ".vault-token"


def read_secret(file: Path, named_by: str | None) -> str:
    """Return the secret in ``file``; raises InvalidSetting if it cannot be read.

    ``named_by`` is the origin of the setting with its path, None for a default.
    """
    return check_secret(_read(file, named_by), str(file))


def _read(file: Path, named_by: str | None) -> str:
    try:
        return contents.read(file, named_by).decode()
    except UnicodeDecodeError:
        raise contents.unreadable(file, named_by, "it is not UTF-8 text") from None


def check_secret(content: str, origin: str) -> str:
    """Return a secret without surrounding white space.

    Raises NoToken, without quoting it, if it cannot be sent in a header.
    """
    secret = content.strip()
    if not secret:
        raise NoToken(f"{origin} is empty")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise NoToken(f"{origin} has invalid characters: spaces, control or non-ASCII characters")
    return secret


def _ask(helper: Path, limit: float) -> str:
    """Return the output of ``helper get``, "" if it has no token.

    If it takes longer than ``limit`` seconds, or the command is stopped, its process group is
    killed.
    """
    import subprocess  # imported here: few users have a token helper

    try:
        guarded.check(helper, _IS_HELPER)
        process = subprocess.Popen(
            [helper, "get"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise InvalidSetting(f"the token helper {helper} cannot be run: {error.strerror}") from None
    with process:
        try:
            with stop.cutting(partial(_kill_all, process)):
                output, errors = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill_all(process)
            raise InvalidSetting(
                f"the token helper {helper} returned no token within {limit:.0f} s"
            ) from None
        except stop.Stopped:  # possibly before the block, which then killed nothing
            _kill_all(process)
            raise
    if process.returncode != 0:
        message = " ".join(errors.decode(errors="replace").split())
        raise InvalidSetting(
            f"the token helper {helper} failed with exit status {process.returncode}"
            + (f": {message}" if message else "")
        )
    return output.decode(errors="replace").strip()


def _kill_all(leader: subprocess.Popen[bytes]) -> None:
    """Kill a process group: child processes may hold the output open."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
