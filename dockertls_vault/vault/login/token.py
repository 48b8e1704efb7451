"""The token that we were given: where it is, in the order in which Vault's command line looks."""

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
from dockertls_vault.files import bounded, guarded
from dockertls_vault.settings import parsers

from .wrapping import wrapped

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from dockertls_vault.settings.schema import Settings

# Seconds that a token helper may take at most; it may have to ask a keyring.
_HELPER_TIMEOUT = 30.0
# HCL, or the JSON that HCL's parser takes as well.
_TOKEN_HELPER = re.compile(r'^[\s{]*"?token_helper"?\s*[=:]\s*"(?P<path>[^"\n]*)"', re.MULTILINE)
_INSTEAD = "set VAULT_TOKEN or DOCKERTLS_TOKEN_FILE, which win over a token helper"
_NAMES_HELPER = guarded.Purpose("names a program to run", _INSTEAD)
_IS_HELPER = guarded.Purpose("will be run", _INSTEAD)
# What a shell or a file of variables has: ``export VAULT_TOKEN="hvs.…"``.
_LINE = re.compile(r"(export\s+)?(VAULT|BAO)_TOKEN=(?P<quote>[\"']?)(?P<token>.*)(?P=quote)")


def given_token(settings: Settings) -> tuple[str, str] | None:
    """Return the token and where it was, or None if there is none.

    Raises InvalidSetting for a file that cannot be read and for a helper that fails, NoToken
    for a file with something else in it.
    """
    if settings.token is not None:
        origin = settings.origins["token"]
        return _token_in(settings.token, origin), origin
    if settings.token_file is not None:
        return _of_file(settings.token_file)
    helper = token_helper(settings)
    if helper is not None:
        limit = min(_HELPER_TIMEOUT, settings.timeout.total_seconds())
        token = _ask(helper, limit)
        return (_token_in(token, str(helper)), f"the token helper {helper}") if token else None
    file = _kept(settings)
    if file is not None and _exists(file):
        return _of_file(file)
    return None


def _exists(file: Path) -> bool:
    try:
        return file.exists()
    except OSError as error:  # a directory above it may not be entered
        raise InvalidSetting(f"{file} cannot be read: {error.strerror}") from None


def _of_file(file: Path) -> tuple[str, str]:
    return _token_in(_read(file), str(file)), str(file)


def _token_in(content: str, origin: str) -> str:
    """Return the token in ``content``: alone, as a variable's line, or in JSON.

    Raises NoToken, with the name of what is there instead, if it has one.
    """
    text = content.strip()
    if match := _LINE.fullmatch(text):
        text = match["token"]
    return check_secret(_in_json(text, origin) if text.startswith("{") else text, origin)


def _in_json(text: str, origin: str) -> str:
    """Return the token in the JSON of a sink of Vault Agent, or of `bao … -format=json`."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NoToken(f"what is in {origin} is corrupt JSON") from None
    match found:
        case {"encrypted_payload": _}:
            raise NoToken(
                f"the token in {origin} was encrypted by Vault Agent",
                hint="give this tool a sink without dh_type",
            )
        case {"token": _, "creation_path": path} | {"wrap_info": {"creation_path": path}}:
            raise wrapped(origin, str(path))
        case {"token": str(token)} | {"auth": {"client_token": str(token)}}:
            return token
    raise NoToken(f"what is in {origin} is JSON without a token")


def token_helper(settings: Settings) -> Path | None:
    """Return the program that keeps the token, if a configuration file of Vault's names one."""
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


def _kept(settings: Settings) -> Path | None:
    """Return the file in which Vault's command line keeps a token that it logged in for."""
    if settings.token_path is not None or settings.home is None:
        return settings.token_path
    return settings.home / ".vault-token"


def read_secret(file: Path) -> str:
    """Return the one line in ``file``; raises InvalidSetting if it cannot be read."""
    return check_secret(_read(file), str(file))


def _read(file: Path) -> str:
    try:
        return bounded.read(file).decode()
    except UnicodeDecodeError:
        raise InvalidSetting(f"{file} cannot be read: it is not text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidSetting(f"{file} cannot be read: {reason}") from None


def check_secret(content: str, origin: str) -> str:
    """Return a secret without the space around it; it must fit into a header.

    Raises NoToken without quoting what is there.
    """
    secret = content.strip()
    if not secret:
        raise NoToken(f"nothing is in {origin}")
    if not secret.isascii() or not secret.isprintable() or " " in secret:
        raise NoToken(f"what is in {origin} is not a token: it has spaces or odd characters")
    return secret


def _ask(helper: Path, limit: float) -> str:
    """Return what ``helper get`` prints in ``limit`` seconds; nothing if it keeps no token.

    What it has started is ended with it where it takes too long, or is not waited for.
    """
    import subprocess  # few have a helper

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
    with process, stop.cutting(partial(_kill_all, process)):
        try:
            printed, said = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _kill_all(process)
            raise InvalidSetting(
                f"the token helper {helper} returned no token within {limit:.0f} s"
            ) from None
    if process.returncode != 0:
        words = " ".join(said.decode(errors="replace").split())
        raise InvalidSetting(
            f"the token helper {helper} failed with {process.returncode}: {words or 'no word'}"
        )
    return printed.decode(errors="replace").strip()


def _kill_all(leader: subprocess.Popen[bytes]) -> None:
    """End a process and what it has started, in its group: they may hold its output open."""
    with suppress(ProcessLookupError):
        os.killpg(leader.pid, signal.SIGKILL)
