"""The record of a set-up: what `daemon configure` has set up, and what was there before."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from dockertls_vault.docker import daemon_json

from . import pickup
from .desired import Listen, parse_listen
from .edit import Edited
from .pickup import Pickup

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_DAEMON_JSON = "daemon.json"


@dataclass(frozen=True)
class Record:
    """A set-up: the credential directory, and where dockerd listens.

    ``proven`` is whether dockerd has passed its check with it. ``daemon_json`` is the path of its
    configuration file, ``written`` its content as we wrote it, and ``original`` what it would be
    without the set-up (None: it would not exist). ``directories`` are those that we made, and
    ``edited`` other files, in the order in which they were edited. ``pickup`` is how dockerd picks
    up new files, and ``kept`` the directory that this was read from.
    """

    certificates: Path
    listen: tuple[Listen, ...]
    daemon_json: Path
    written: bytes = field(repr=False)
    original: bytes | None = field(repr=False)
    directories: tuple[Path, ...] = ()
    edited: tuple[Edited, ...] = ()
    proven: bool = False
    pickup: Pickup = Pickup.RESTART
    kept: Path = field(default=Path(), compare=False)

    @cached_property
    def added(self) -> Mapping[str, Any]:
        """The values in daemon.json that we set."""
        before = self._before
        values = daemon_json.parse(self.written).values
        return {key: value for key, value in values.items() if before.get(key) != value}

    @cached_property
    def replaced(self) -> Mapping[str, Any]:
        """Those that were there before, of the same keys."""
        return {key: value for key, value in self._before.items() if key in self.added}

    @property
    def _before(self) -> Mapping[str, Any]:
        return daemon_json.parse(self.original).values

    def kept_original(self, edited: Edited) -> Path:
        """Return the file that keeps the original of an edited one, for people."""
        return self.kept / _original(self.edited.index(edited))

    def files(self) -> Mapping[str, bytes]:
        """Return the files that are kept for root alone, by name."""
        files = {_written(_DAEMON_JSON): self.written}
        if self.original is not None:
            files[_original(_DAEMON_JSON)] = self.original
        for number, each in enumerate(self.edited):
            files[_original(number)] = each.original
            files[_written(number)] = each.written
        return files

    def to_json(self) -> Mapping[str, Any]:
        """Return what anybody may read; the rest is in ``files``."""
        return {
            "version": pickup.VERSION,
            "certificates": str(self.certificates),
            "listen": list(map(str, self.listen)),
            "pickup": self.pickup.value,
            "proven": self.proven,
            "daemon_json": str(self.daemon_json),
            "original": self.original is not None,
            "directories": list(map(str, self.directories)),
            "edited": [{"path": str(each.path), "unit": each.is_unit} for each in self.edited],
        }

    @classmethod
    def from_json(cls, kept: Any, file: Callable[[str], bytes], directory: Path) -> Self:
        """Return a record that is kept in ``directory``; ``file`` returns each of ``files``.

        Raises ValueError, TypeError, KeyError, InvalidInput or ConfigurationError if it is corrupt.
        """
        if kept["version"] != pickup.VERSION:
            raise ValueError(kept["version"])
        found = cls(
            certificates=_path(kept["certificates"]),
            listen=tuple(map(parse_listen, _texts(kept["listen"]))),
            daemon_json=_path(kept["daemon_json"]),
            written=file(_written(_DAEMON_JSON)),
            original=file(_original(_DAEMON_JSON)) if kept["original"] else None,
            directories=tuple(map(_path, _texts(kept["directories"]))),
            edited=tuple(
                Edited(
                    path=_path(each["path"]),
                    written=file(_written(number)),
                    original=file(_original(number)),
                    is_unit=bool(each["unit"]),
                )
                for number, each in enumerate(kept["edited"])
            ),
            proven=bool(kept["proven"]),
            pickup=Pickup(kept["pickup"]),
            kept=directory,
        )
        daemon_json.parse(found.original)
        if "tlscacert" not in daemon_json.parse(found.written).values:
            raise ValueError(f"{_written(_DAEMON_JSON)} configures no TLS")
        return found


def _original(name: str | int) -> str:
    """Return the name of the file that keeps an original; one that we edited has a number."""
    return f"{name}.original"


def _written(name: str | int) -> str:
    return f"{name}.written"


def _path(text: str) -> Path:
    if not text.startswith("/") or "\0" in text:
        raise ValueError(text)
    return Path(text)


def _texts(texts: Sequence[Any]) -> list[str]:
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise TypeError(texts)
    return texts
