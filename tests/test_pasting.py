"""Commands in hints can be pasted: names from outside are exactly one word of them, or absent."""

from __future__ import annotations

import grp
import pwd
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.ca import readiness
from dockertls_vault.ca.policy import Person, command
from dockertls_vault.errors import DockerTLSError
from dockertls_vault.files.acl import Entry, Tag
from dockertls_vault.files.writers import Trust, untrusted_writers
from dockertls_vault.vault.login.method import Login
from dockertls_vault.vault.mount import Signer
from dockertls_vault.vault.roles import CLIENT, allow_names_command
from dockertls_vault.vault.session import _not_revoked

from .certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Callable

NASTY = ["a b", "it's", 'say "x"', "x;rm", "$(x)", "`x`", "x|y>z&", "~", "*", "a\\b"]
NOW = datetime.now(UTC)


def unrevoked(text: str) -> str:
    """Return the warning with an accessor, which Vault chose."""
    login = Login("t", batch=False, accessor=text, ttl=timedelta(), uses=None, since=0.0)
    return _between("`", _not_revoked(login, DockerTLSError("refused")))


def issuing(mount: str, signer: Signer | None) -> readiness.Issuing:
    """Return the state of a mount and its default issuer."""
    return readiness.Issuing(mount, signer, CLIENT, NOW, timedelta(), limits_backdating=False)


def reason(issuing: readiness.Issuing) -> str:
    """Return why nothing can be issued."""
    found = readiness.obstacle(issuing, issuing.mount, ())
    return found.reason if found else ""


def usage_of(text: str) -> str:
    """Return the hint with an issuer's usage, which Vault sent."""
    signer = Signer((PEM,), revoked=False, usage=text, leaf_not_after_behavior="err")
    return reason(issuing("pki", signer)).partition("allow it: ")[2].rpartition(", or make")[0]


def no_default(text: str) -> str:
    """Return the hint for a mount without an issuer."""
    return reason(issuing(text, None)).partition("choose one: ")[2]


def no_root(text: str) -> str:
    """Return the hint for a mount without a root."""
    return readiness.no_root(text).reason.partition("import its root (")[2].rpartition("), or")[0]


def named_user(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the command for an ACL's user, whose name a directory service chose."""
    entry = pwd.struct_passwd((text, "x", 54321, 54321, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda _: entry)
    return _acl(Tag.USER)


def named_group(text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the command for an ACL's group."""
    monkeypatch.setattr(grp, "getgrgid", lambda _: grp.struct_group((text, "x", 54321, [])))
    return _acl(Tag.GROUP)


def _acl(tag: Tag) -> str:
    (writer,) = untrusted_writers(Path("/").stat(), (Entry(tag, 0o7, 54321),), Trust(frozenset()))
    return writer.remedy


def _between(mark: str, text: str) -> str:
    return text.partition(mark)[2].rpartition(mark)[0]


PEM = Authority.create().pem.decode()
COMMANDS: dict[str, tuple[Callable[[str], str], str]] = {
    "accessor": (unrevoked, "{}"),
    "usage": (usage_of, "usage={},issuing-certificates"),
    "mount without issuer": (no_default, "{}/config/issuers"),
    "mount without root": (no_root, "{}/issuers/import/cert"),
    "domain": (
        lambda text: allow_names_command([f"h.{text}.example"], "dockertls", "server"),
        "{}.example",
    ),
    "mount": (lambda text: allow_names_command(["h.a.example"], text, "server"), "{}"),
    "role": (
        lambda text: allow_names_command(["h.a.example"], "m", text),
        "DOCKERTLS_SERVER_ROLE={}",
    ),
    "policy": (lambda text: command(Person.SERVER, text, "server").rpartition(" | ")[0], "{}"),
}


@pytest.mark.parametrize("place", COMMANDS)
@pytest.mark.parametrize("text", NASTY)
def test_name_is_one_shell_word(place: str, text: str) -> None:
    """A real shell parses exactly these words, and runs nothing in them."""
    make, word = COMMANDS[place]
    assert word.format(text) in _words(make(text))


@pytest.mark.parametrize("text", NASTY)
def test_names_with_spaces_are_quoted(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory service has names such as ``domain users``."""
    with monkeypatch.context() as patched:
        assert _words(named_user(text, patched))[-1] == f"u:{text}"
        assert _words(named_group(text, patched))[-1] == f"g:{text}"


def _words(pasted: str) -> list[str]:
    """Return a shell's words for a command, counting a variable before it as one."""
    shell = ["sh", "-c", f"printf '%s\\0' {pasted}"]
    printed = subprocess.run(shell, capture_output=True, text=True, check=True)
    return printed.stdout.removesuffix("\0").split("\0")


def test_accessor_cannot_be_a_flag() -> None:
    """Whatever accessor the server sends, ``bao`` does not take it for a flag."""
    assert unrevoked("-self").endswith("-accessor ACCESSOR")
