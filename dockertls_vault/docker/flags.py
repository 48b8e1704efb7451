"""dockerd's command-line flags, parsed like its library does (github.com/spf13/pflag); pure.

The arguments are those after the program. dockerd accepts no others than flags and their values, so
which flags take a value need not be known: a word that is not a flag belongs to the flag before it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

# The configuration file, unless --config-file names another.
DAEMON_JSON = Path("/etc/docker/daemon.json")
# fmt: off
_LONG = {
    "b": "bridge", "D": "debug", "g": "graph", "G": "group", "H": "host", "h": "help",
    "l": "log-level", "p": "pidfile", "s": "storage-driver", "v": "version",
}
# fmt: on
HOST = "host"
# Without a value, unless it is behind an equals sign.
TLS_SWITCHES = ("tls", "tlsverify")
_SWITCHES = {"debug", "help", "version", "live-restore", *TLS_SWITCHES}
TLS_FILES = ("tlscacert", "tlscert", "tlskey")
# The settings of TLS have these names both as flags and in daemon.json.
TLS = (*TLS_SWITCHES, *TLS_FILES)
# These take the next word, whatever it is.
_VALUED = {"config-file", "data-root", "exec-root", *TLS_FILES} | ({*_LONG.values()} - _SWITCHES)
_INTERPRETED = {HOST, "live-restore", "config-file", *TLS}
# The keys of daemon.json that are not the name of their flag: moby, the NamedOption of each.
# dockerd adds the runtimes of both places (skipDuplicates), so that their key is none of a flag's.
_KEYS = {
    "add-runtime": "",
    "authorization-plugin": "authorization-plugins",
    "cdi-spec-dir": "cdi-spec-dirs",
    "cluster-store-opt": "cluster-store-opts",
    "default-address-pool": "default-address-pools",
    "default-network-opt": "default-network-opts",
    "default-ulimit": "default-ulimits",
    "dns-opt": "dns-opts",
    "exec-opt": "exec-opts",
    "host-gateway-ip": "host-gateway-ips",
    "insecure-registry": "insecure-registries",
    "label": "labels",
    "log-opt": "log-opts",
    "node-generic-resource": "node-generic-resources",
    "registry-mirror": "registry-mirrors",
    "storage-opt": "storage-opts",
}
_TRUTH = {  # strconv.ParseBool
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}


@dataclass(frozen=True)
class Argument:
    """A flag by its long name, or "" for a word that is none, and the ``words`` that give it.

    ``value`` is None for a switch that is only named.
    """

    name: str
    value: str | None
    words: tuple[str, ...]

    @property
    def is_on(self) -> bool:
        """Whether the switch is on; raises ConfigurationError if dockerd rejects the value."""
        if self.value is None:
            return True
        if self.value not in _TRUTH:
            raise ConfigurationError(
                f"dockerd's flag {self.words[0]!r} is not a boolean", hint="use true or false"
            )
        return _TRUTH[self.value]


@dataclass(frozen=True)
class Flags:
    """The flags that concern a set-up; None for one that is not given.

    ``hosts`` has each -H in its order, ``unknown`` the words of all other arguments.
    """

    hosts: tuple[str, ...] = ()
    tls: bool | None = None
    tlsverify: bool | None = None
    tlscacert: str | None = None
    tlscert: str | None = None
    tlskey: str | None = None
    config_file: str | None = None
    live_restore: bool | None = None
    unknown: tuple[str, ...] = ()

    @property
    def daemon_json(self) -> Path:
        """The configuration file, which need not exist."""
        return Path(self.config_file or DAEMON_JSON)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of daemon.json that set the same as these flags."""
        known = (each.name for each in fields(self) if getattr(self, each.name) not in {None, ()})
        interpreted = (name.replace("_", "-") for name in known if name != "unknown")
        others = (_KEYS.get(each.name, each.name) for each in arguments(self.unknown))
        return tuple(dict.fromkeys((*interpreted, *filter(None, others))))


def parse(argv: Sequence[str]) -> Flags:
    """Parse the arguments; of a flag that is given twice the last value counts, except of -H.

    Raises ConfigurationError for a value of a switch that is not a boolean.
    """
    found = tuple(arguments(argv))
    switches = {each.name: each.is_on for each in found if each.name in _SWITCHES}
    values = {each.name: each.value for each in found}
    return Flags(
        hosts=tuple(each.value or "" for each in found if each.name == HOST),
        tls=switches.get("tls"),
        tlsverify=switches.get("tlsverify"),
        tlscacert=values.get("tlscacert"),
        tlscert=values.get("tlscert"),
        tlskey=values.get("tlskey"),
        config_file=values.get("config-file"),
        live_restore=switches.get("live-restore"),
        unknown=tuple(
            word for each in found if each.name not in _INTERPRETED for word in each.words
        ),
    )


def without(argv: Sequence[str], names: Collection[str]) -> tuple[str, ...]:
    """Return the arguments that remain without the flags with these long names (``host``)."""
    return tuple(word for each in arguments(argv) if each.name not in names for word in each.words)


def arguments(argv: Sequence[str]) -> Iterator[Argument]:
    """Yield each argument in its order; flags in one word (``-DH``) get words of their own."""
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            yield from (Argument("", each, (each,)) for each in (word, *rest))
            return
        if word.startswith("--"):
            yield _long(word, rest)
        elif word.startswith("-") and word != "-":
            yield from _short(word[1:], rest)
        else:
            yield Argument("", word, (word,))


def _long(word: str, rest: list[str]) -> Argument:
    name, equals, value = word[2:].partition("=")
    if equals:
        return Argument(name, value, (word,))
    return _with_next(name, word, rest)


def _short(letters: str, rest: list[str]) -> Iterator[Argument]:
    while letters:
        flag, name, more = f"-{letters[0]}", _LONG.get(letters[0], letters[0]), letters[1:]
        if len(more) > 1 and more[0] == "=":  # "-H=" gives "=" to -H
            yield Argument(name, more[1:], (flag + more,))
            return
        # A hyphen is no flag, and dockerd rejects it; in a word of its own, it would be "--".
        if more and (name in _VALUED or more[0] == "-"):
            yield Argument(name, more, (flag + more,))
            return
        yield Argument(name, None, (flag,)) if more else _with_next(name, flag, rest)
        letters = more


def _with_next(name: str, word: str, rest: list[str]) -> Argument:
    """Return a flag with the next word as its value, if that is one."""
    if not rest or name in _SWITCHES or (rest[0].startswith("-") and name not in _VALUED):
        return Argument(name, None, (word,))
    value = rest.pop(0)
    return Argument(name, value, (word, value))
