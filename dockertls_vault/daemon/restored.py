"""The TLS files that the settings of before name: without them, dockerd would not start again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dockertls_vault.docker import daemon_json
from dockertls_vault.docker.flags import arguments
from dockertls_vault.errors import ConflictingState
from dockertls_vault.host import command_line, environment_file, unit_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .clashes import Edit

_FILES = ("tlscacert", "tlscert", "tlskey")


def refuse_lost(edits: Iterable[Edit], configuration: Edit) -> None:
    """Raise ConflictingState if these bring back settings that name files which are missing.

    ``configuration`` is the edit of daemon.json, ``edits`` those of files with flags.
    """
    named = [(edit.path, _flags(edit, edit.after) - _flags(edit, edit.before)) for edit in edits]
    back = _values(configuration.after) - _values(configuration.before)
    lost = tuple(
        f"{path}: {file}"
        for path, files in (*named, (configuration.path, back))
        for file in sorted(files)
        if not Path(file).exists()
    )
    if lost:
        raise ConflictingState(
            "dockerd would not start with the settings of before: they name files that are missing",
            problems=lost,
            hint="put these files back, then try again, or keep the set-up",
        )


def _values(content: bytes) -> set[str]:
    """Return the absolute paths of TLS files in daemon.json."""
    values = daemon_json.parse(content).values
    return _absolute(values.get(name) for name in _FILES)


def _flags(edit: Edit, content: bytes) -> set[str]:
    """Return those in the flags of another file."""
    found = (
        argument
        for line in _lines(edit, content)
        for argument in arguments([word.value for word in command_line.words(line)])
    )
    return _absolute(each.value for each in found if each.name in _FILES)


def _absolute(values: Iterable[Any]) -> set[str]:
    return {value for value in values if isinstance(value, str) and value.startswith("/")}


def _lines(edit: Edit, content: bytes) -> Iterator[str]:
    """Yield each command line, or value of a variable."""
    if edit.is_unit:
        text = content.decode("utf-8", "surrogateescape")
        yield from (each.value for each in unit_file.settings(text) if each.name == "ExecStart")
    else:
        yield from environment_file.parse(content).values.values()
