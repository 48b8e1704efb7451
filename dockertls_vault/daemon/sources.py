"""Where the arguments of dockerd are written: in unit files, and in environment files."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.docker.flags import arguments
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.files import reading
from dockertls_vault.host import command_line, environment_file, systemd, unit_file

from . import units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from dockertls_vault.docker.flags import Argument
    from dockertls_vault.host.command_line import Word
    from dockertls_vault.host.unit_file import Setting

_EXEC_START = "ExecStart="
_ENVIRONMENT = "Environment="
_SERVICE = "Service"
# Before the path of the program: systemd.service(5), "Special executable prefixes".
_PREFIXES = "@-:+!|"
_PACKAGES = (Path("/lib"), Path("/usr/lib"))


@dataclass(frozen=True)
class Source:
    """A setting with arguments of dockerd: ExecStart= of a unit file, or a variable.

    ``text`` has the ``words`` at their offsets: a unit file as a whole, or the value of a variable.
    ``values`` are the arguments that they become; None for the program, and for a variable that has
    arguments of its own. ``fixed`` is why the setting cannot be edited here, "" if it can.
    """

    path: Path
    line: int
    setting: str
    content: bytes = field(repr=False)
    text: str = field(repr=False)
    words: tuple[Word, ...]
    values: tuple[str | None, ...]
    fixed: str = ""

    def __str__(self) -> str:
        return f"{self.path}, line {self.line} ({self.setting})"

    @property
    def is_unit(self) -> bool:
        """Whether it is in a unit file, which systemd reads at daemon-reload only."""
        return self.setting in {_EXEC_START, _ENVIRONMENT}

    def arguments(self) -> Iterator[tuple[Argument, tuple[int, ...]]]:
        """Yield each argument with the numbers of its words, none if it shares a word."""
        group: list[int] = []
        for number, value in (*enumerate(self.values), (-1, None)):
            if value is None:
                yield from self._located(group)
                group = []
            else:
                group.append(number)

    def without(self, numbers: Collection[int], *added: str) -> bytes:
        """Return the file without these words, and with others at the end of the setting."""
        text = self.text
        if self.words:
            end = self.words[-1].end
            text = text[:end] + "".join(f" {word}" for word in added) + text[end:]
        edges = [self.words[0].start if self.is_unit and self.words else 0]
        edges += [word.end for word in self.words]
        for number in sorted(numbers, reverse=True):
            text = text[: edges[number]] + text[edges[number + 1] :]
        if self.setting == _EXEC_START:
            return text.encode("utf-8", "surrogateescape")
        return environment_file.parse(self.content).replaced(self.setting, text.strip())

    def _located(self, group: Sequence[int]) -> Iterator[tuple[Argument, tuple[int, ...]]]:
        left = list(group)
        for argument in arguments([self.values[number] or "" for number in group]):
            here = tuple(left[: len(argument.words)])
            if tuple(self.values[number] for number in here) == argument.words:
                left = left[len(here) :]
                yield argument, here
            else:
                left = []
                yield argument, ()


def read(ours: Mapping[Path, Collection[bytes]]) -> tuple[Source, ...]:
    """Return where the arguments of docker.service are; raises ConfigurationError if unknown.

    ``ours`` are the contents that a set-up gives to unit files, which count even if systemd has not
    read them: a run that was killed was about to have it do so.
    """
    fragment, drop_ins = systemd.properties(units.SERVICE, "Unit", "FragmentPath", "DropInPaths")
    commands, variables, files = systemd.properties(
        units.SERVICE, "Service", "ExecStart", "Environment", "EnvironmentFiles"
    )
    # Ours has neither. If a removal was killed, it is gone, and systemd does not know that yet.
    others = [path for path in drop_ins if Path(path) != systemd.UNITS / units.DROP_IN]
    try:
        contents = {Path(path): reading.read(path) for path in (fragment, *others)}
        environment = {Path(path): reading.read(path) for path, _ in files if Path(path).exists()}
        command = _unread(contents, ours) or commands[0][1]
        return tuple(found(command, variables, contents, environment))
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{error.filename} was removed, but systemd still uses it",
            hint="run `sudo systemctl daemon-reload`, then try again",
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"the arguments of {units.SERVICE} cannot be found: {error}",
            hint=f"see where they come from: systemctl cat {units.SERVICE}",
        ) from None


def paths() -> tuple[Path, ...]:
    """Return the files that docker.service and its sockets are made of."""
    (sockets,) = systemd.properties(units.SERVICE, "Unit", "TriggeredBy")
    found = []
    for unit in (units.SERVICE, *sockets):
        fragment, drop_ins = systemd.properties(unit, "Unit", "FragmentPath", "DropInPaths")
        found += [fragment, *drop_ins]
    (files,) = systemd.properties(units.SERVICE, "Service", "EnvironmentFiles")
    return tuple(map(Path, filter(None, [*found, *(path for path, _ in files)])))


def _unread(
    unit_files: Mapping[Path, bytes], ours: Mapping[Path, Collection[bytes]]
) -> list[str] | None:
    """Return the words of ExecStart= if a set-up wrote them, and None if others did."""
    path, content, setting = _last(_EXEC_START, unit_files)
    if content not in ours.get(path, ()):
        return None
    program, *words = (word.value for word in command_line.words(setting.value))
    return [program.lstrip(_PREFIXES), *words]


def found(
    command: Sequence[str],
    variables: Sequence[str],
    unit_files: Mapping[Path, bytes],
    environment_files: Mapping[Path, bytes],
) -> Iterator[Source]:
    """Yield the sources of a ``command``, whose words are those that systemd has.

    ``variables`` are those that units set, ``unit_files`` and ``environment_files`` the contents of
    the files, each in the order in which the later one counts.
    """
    parsed = {path: environment_file.parse(each) for path, each in environment_files.items()}
    environment = environment_file.environment(variables, parsed.values())
    yield _exec_start(command, unit_files, environment)
    for word in dict.fromkeys(command):
        name = command_line.variable(word)
        if name is None or name not in environment:
            continue
        if holders := [path for path, each in parsed.items() if name in each.values]:
            path = holders[-1]
            line, content = parsed[path].line(name), environment_files[path]
            yield _variable(name, environment[name], path, line, content)
        else:
            yield _in_unit(name, environment[name], unit_files)


def _exec_start(
    command: Sequence[str], unit_files: Mapping[Path, bytes], environment: Mapping[str, str]
) -> Source:
    path, content, setting = _last(_EXEC_START, unit_files)
    text = content.decode("utf-8", "surrogateescape")
    words = tuple(
        command_line.Word(each.value, setting.start + each.start, setting.start + each.end)
        for each in command_line.words(setting.value)
    )
    values: list[str | None] = [None]
    for word in command[1:]:
        is_variable = command_line.variable(word) is not None
        values += [None] if is_variable else command_line.expand([word], environment)
    spelled = [each.value for each in words]
    fixed = ""
    if any(path.is_relative_to(place) for place in _PACKAGES):
        fixed = "it belongs to a package: override it with `sudo systemctl edit docker.service`"
    elif [spelled[0].lstrip(_PREFIXES), *spelled[1:]] != list(command):
        fixed = "systemd reads it differently: it has escapes, specifiers, or was edited since"
        words = ()
    return Source(path, setting.line, _EXEC_START, content, text, words, tuple(values), fixed)


def _in_unit(name: str, value: str, unit_files: Mapping[Path, bytes]) -> Source:
    holding = {path: each for path, each in unit_files.items() if f"{name}=".encode() in each}
    path, content, setting = _last(_ENVIRONMENT, holding)
    found = _variable(_ENVIRONMENT, value, path, setting.line, content)
    return replace(found, fixed=f"move {name} to a file of its own (EnvironmentFile=)")


def _variable(setting: str, value: str, path: Path, line: int, content: bytes) -> Source:
    """Return the source of a variable with this ``value``."""
    words = tuple(command_line.words(value))
    return Source(path, line, setting, content, value, words, tuple(each.value for each in words))


def _last(name: str, unit_files: Mapping[Path, bytes]) -> tuple[Path, bytes, Setting]:
    """Return the last setting of this name that is not empty; raises ValueError without one."""
    settings = [
        (path, content, each)
        for path, content in unit_files.items()
        for each in unit_file.settings(content.decode("utf-8", "surrogateescape"))
        if (each.section, f"{each.name}=") == (_SERVICE, name) and each.value.strip()
    ]
    if not settings:
        raise ValueError(f"no {name} in {', '.join(map(str, unit_files))}")
    return settings[-1]
