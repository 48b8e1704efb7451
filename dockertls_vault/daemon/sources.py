"""Where the arguments of dockerd are written: in unit files, and in environment files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.docker.flags import arguments
from dockertls_vault.errors import ConfigurationError
from dockertls_vault.files import reading
from dockertls_vault.host import command_line, environment_file, systemd, unit_file
from dockertls_vault.host.command_line import Word

from . import units

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from dockertls_vault.docker.flags import Argument
    from dockertls_vault.host.unit_file import Setting, Variable

_EXEC_START = "ExecStart="
_ENVIRONMENT = "Environment="
_SERVICE = "Service"
# Before the path of the program: systemd.service(5), "Special executable prefixes".
_PREFIXES = "@-:+!|"


@dataclass(frozen=True)
class Source:
    """A setting with arguments of dockerd: ExecStart= of a unit file, or a variable.

    The offsets of its ``words`` are those in a unit file, whose text is ``content``, or in the
    value of a variable in an environment file. ``values`` are the arguments that they become; None
    for the program, and for a variable that has arguments of its own. ``fixed`` is why the setting
    cannot be edited here, "" if it can.
    """

    path: Path
    line: int
    setting: str
    content: bytes = field(repr=False)
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

    def edited(self, content: bytes, removed: Collection[int], added: Sequence[str] = ()) -> bytes:
        """Return the file without these words, and with others at the end of the setting.

        In ``content`` only settings behind this one may have been edited before.
        """
        if self.is_unit:
            text = content.decode("utf-8", "surrogateescape")
            return self._edited(text, removed, added).encode("utf-8", "surrogateescape")
        file = environment_file.parse(content)
        text = self._edited(file.values[self.setting], removed, added)
        return file.replaced(self.setting, text.strip())

    def _edited(self, text: str, removed: Collection[int], added: Sequence[str]) -> str:
        left = ""
        for number, word in enumerate(self.words):
            if number not in removed:
                blanks = text[self.words[number - 1].end : word.start] if left else ""
                left += blanks + text[word.start : word.end]
        left = " ".join(filter(None, (left, *added)))
        return text[: self.words[0].start] + left + text[self.words[-1].end :]

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
        command = _command_we_wrote(contents, ours) or commands[0][1]
        assigned = [*variables, *_variables_we_wrote(contents, ours)]
        return tuple(of_command(command, assigned, contents, environment))
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


def _command_we_wrote(
    unit_files: Mapping[Path, bytes], ours: Mapping[Path, Collection[bytes]]
) -> list[str] | None:
    """Return the words of ExecStart= if a set-up wrote them, and None if others did."""
    path, content, setting = _exec_start(unit_files)
    if content not in ours.get(path, ()):
        return None
    program, *words = (word.value for word in command_line.words(setting.value))
    return [program.lstrip(_PREFIXES), *words]


def _variables_we_wrote(
    unit_files: Mapping[Path, bytes], ours: Mapping[Path, Collection[bytes]]
) -> Iterator[str]:
    """Yield each variable, with its value, that a set-up wrote, and that others do not replace."""
    last = {each.name: (each, unit) for unit, _, each in _variables(unit_files)}
    for each, unit in last.values():
        if unit_files[unit] in ours.get(unit, ()) and each.start is not None:
            yield f"{each.name}={each.value}"


def of_command(
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
    yield _command(command, unit_files, environment)
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


def _command(
    command: Sequence[str], unit_files: Mapping[Path, bytes], environment: Mapping[str, str]
) -> Source:
    path, content, setting = _exec_start(unit_files)
    words = _moved(command_line.words(setting.value), setting.start)
    values: list[str | None] = [None]
    for word in command[1:]:
        is_variable = command_line.variable(word) is not None
        values += [None] if is_variable else command_line.expand([word], environment)
    spelled = [each.value for each in words]
    fixed = ""
    if [spelled[0].lstrip(_PREFIXES), *spelled[1:]] != list(command):
        fixed = "systemd reads it differently: it has escapes, specifiers, or was edited since"
        words = ()
    return Source(path, setting.line, _EXEC_START, content, words, tuple(values), fixed)


def _in_unit(name: str, value: str, unit_files: Mapping[Path, bytes]) -> Source:
    """Return the source of a variable to which systemd has given this ``value``."""
    holders = [each for each in _variables(unit_files) if each[2].name == name]
    if not holders:
        raise ValueError(f"no {_ENVIRONMENT} in {', '.join(map(str, unit_files))} has {name}")
    path, setting, found = holders[-1]
    arguments = tuple(each.value for each in command_line.words(value))
    words = _moved(command_line.words(found.value), found.start or 0)
    fixed = ""
    if found.start is None or tuple(each.value for each in words) != arguments:
        fixed = f'write it as {_ENVIRONMENT}"{name}=…", without escapes and specifiers'
        words = ()
    content = unit_files[path]
    return Source(path, setting.line, _ENVIRONMENT, content, words, arguments, fixed)


def _variable(name: str, value: str, path: Path, line: int, content: bytes) -> Source:
    """Return the source of a variable of an environment file with this ``value``."""
    words = tuple(command_line.words(value))
    return Source(path, line, name, content, words, tuple(each.value for each in words))


def _moved(words: Iterable[Word], by: int) -> tuple[Word, ...]:
    return tuple(Word(each.value, by + each.start, by + each.end) for each in words)


def _exec_start(unit_files: Mapping[Path, bytes]) -> tuple[Path, bytes, Setting]:
    """Return the last ExecStart= that is not empty; raises ValueError without one."""
    settings = [found for found in _settings(_EXEC_START, unit_files) if found[1].value.strip()]
    if not settings:
        raise ValueError(f"no {_EXEC_START} in {', '.join(map(str, unit_files))}")
    path, setting = settings[-1]
    return path, unit_files[path], setting


def _variables(unit_files: Mapping[Path, bytes]) -> Iterator[tuple[Path, Setting, Variable]]:
    for path, setting in _settings(_ENVIRONMENT, unit_files):
        yield from ((path, setting, each) for each in unit_file.variables(setting))


def _settings(name: str, unit_files: Mapping[Path, bytes]) -> Iterator[tuple[Path, Setting]]:
    """Yield each setting of this name, in the order in which the later one counts."""
    for path, content in unit_files.items():
        for each in unit_file.settings(content.decode("utf-8", "surrogateescape")):
            if (each.section, f"{each.name}=") == (_SERVICE, name):
                yield path, each
