"""What ``issue`` takes over from the previous request for the same directory."""

from __future__ import annotations

import logging
import shlex
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from operator import attrgetter
from typing import TYPE_CHECKING, Any, TypeVar

from dockertls_vault.certificate.names import Names
from dockertls_vault.duration import format_duration
from dockertls_vault.errors import ConflictingState
from dockertls_vault.files.atomic import KEEP
from dockertls_vault.settings.schema import Flag, Variable, sources

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.certificate.request import Purpose
    from dockertls_vault.credential.record import Record
    from dockertls_vault.credential.registry import Registry
    from dockertls_vault.settings.schema import Settings

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


@dataclass
class Previous:
    """The previous request, None if there is none, and the options taken over from it."""

    record: Record | None
    _taken: list[str] = field(default_factory=list)

    def choose(self, option: str, given: Value | None, field: str, default: Value) -> Value:
        """Return what was ``given``, or else the ``field`` of the request, or else the default.

        ``field`` is the path of an attribute of Record.
        """
        if given is not None:
            return given
        if self.record is None:
            return default
        value: Value = attrgetter(field)(self.record)
        if value != default:
            self._taken += [" ".join((option, *each)) for each in _arguments(value)]
        return value

    def setting(self, settings: Settings, name: str, field: str) -> Any:
        """Choose a setting; only a flag or a variable takes precedence over the request."""
        value = getattr(settings, name)
        given = isinstance(settings.origins.get(name), Flag | Variable)
        return self.choose(sources()[name].flag or name, value if given else None, field, value)

    def if_signed_by(self, mount: str) -> Previous:
        """Return this request for what belongs to its mount, or none if ``mount`` is another."""
        same = self.record is None or self.record.request.mount == mount
        return self if same else Previous(None)

    def report(self) -> None:
        """Log the options that were taken over, so that they can be pasted."""
        if self._taken:
            logger.info("as requested before: %s", " ".join(self._taken))


def _arguments(value: object) -> list[tuple[str, ...]]:
    """Return the arguments of each occurrence of an option that requests ``value``."""
    match value:
        case None:
            return [("none",)]
        case bool():
            return [()]
        case Names():
            texts = value.all
        case ():
            return [("none",)]
        case tuple():
            texts = tuple(map(shlex.join, value))
        case timedelta():
            texts = (format_duration(value),)
        case _:
            texts = (str(value),)
    return [(shlex.quote(text),) for text in texts]


def previous(directory: Path, purpose: Purpose, registry: Registry) -> Previous:
    """Return the previous request for a credential of ``purpose`` in ``directory``.

    One that cannot be read counts as none: the preflight then refuses the directory. So does one
    that another user may have written, unless ``registry`` vouches for it.
    """
    from dockertls_vault.credential import condition, reader
    from dockertls_vault.credential.worker import by_worker

    for where in (directory / purpose.value, directory):
        with suppress(ConflictingState, OSError):
            place = reader.locate(where)
            found = by_worker(place, condition.read).record
            if found.request.purpose is not purpose:
                continue
            if place.uid == KEEP or registry.vouches_for(place.directory, found):
                return Previous(found)
            logger.warning("ignored the previous request in %s: root did not write it", where)
    return Previous(None)
