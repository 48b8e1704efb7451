"""The token: found, read again when it was renewed by others, or got by a login and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dockertls_vault.errors import InvalidSetting, NoToken

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.config import Settings


class Identity:
    """Who we are to Vault; the token is looked for when it is first needed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._token: str | None = None

    def token(self) -> str:
        """Return the token; raises NoToken if there is none."""
        if self._token is None:
            self._token = self._find()
        return self._token

    def renew(self) -> bool:
        """Look for another token after Vault refused this one; tell whether there is one."""
        if self._settings.token is not None:
            return False
        before, self._token = self._token, self._find()
        return self._token != before

    def _find(self) -> str:
        settings = self._settings
        if settings.token is not None:
            return settings.token
        if settings.token_file is not None:
            return _read(settings.token_file, settings.origins["token_file"])
        if settings.home is not None and (settings.home / ".vault-token").exists():
            return _read(settings.home / ".vault-token", "the token file")
        raise NoToken("no token for Vault, and no way to log in")


def _read(path: Path, origin: str) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"{origin}: no token can be read from {path}: {error}") from None
    if not text or not text.isprintable() or not text.isascii():
        raise NoToken(f"no token is in {path}")
    return text
