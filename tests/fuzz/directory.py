"""The directory of a credential, where others may have put anything."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault import rollback
from dockertls_vault.certificate.also_trusted import AlsoTrusted
from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.certificate.keys import private_key_pem
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.threshold import Threshold
from dockertls_vault.credential import history, reader
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record, to_json
from dockertls_vault.credential.settle import Running
from dockertls_vault.docker.diagnosis import client_credential
from dockertls_vault.findings import Limits
from dockertls_vault.status import Asking, status

from .border import Border
from .mutations import of_bytes, of_json
from .seeds import INTERMEDIATE, LEAF, NOW, REQUEST, ROOT

if TYPE_CHECKING:
    from random import Random

_GENERATIONS = ("20270101T000000.000000Z-0d", "20261231T000000.000000Z-0c")
_PRIVATE = ".dockertls"
_REQUEST = f"{_PRIVATE}/request.json"
_FILES = {
    "ca.pem": certificates_pem([ROOT.certificate]),
    "cert.pem": certificates_pem([LEAF.certificate, INTERMEDIATE.certificate]),
    "key.pem": private_key_pem(LEAF.key),
}
_LINKS = {
    f"{_PRIVATE}/current": f"generations/{_GENERATIONS[0]}",
    "ca.pem": f"{_PRIVATE}/current/ca.pem",
    "server-cert.pem": f"{_PRIVATE}/current/cert.pem",
    "server-key.pem": f"{_PRIVATE}/current/key.pem",
}
_ALSO = AlsoTrusted(ROOT.certificate, NOW + timedelta(days=30))
_RECORD = Record(REQUEST, Layout.DOCKER, also_trusted=(_ALSO,))
_RUNNING = Running({}, timedelta(minutes=1))
_ASKING = Asking(None, Names, timedelta(seconds=1))
_LIMITS = Limits(Threshold(0.2), Threshold(0.1))
_TARGETS = (".", "..", "ca.pem", "/dev/zero", "/dev/null", "/nonexistent", "x" * 300, "\udcff")


@dataclass(frozen=True)
class _Change:
    """A replacement for a path: another kind of file, or bytes."""

    path: str
    kind: str
    content: bytes
    target: str


@cache
def _files() -> dict[str, bytes]:
    kept = {
        f"{_PRIVATE}/generations/{generation}/{name}": content
        for generation in _GENERATIONS
        for name, content in _FILES.items()
    }
    return {**kept, _REQUEST: b""}


def _draw(random: Random) -> list[_Change]:
    return [_change(random) for _ in range(random.choice((1, 1, 2, 3)))]


def _change(random: Random) -> _Change:
    paths = [*_files(), *_LINKS, _PRIVATE, f"{_PRIVATE}/generations"]
    path = random.choice((_REQUEST, random.choice(paths)))
    kinds = ("bytes", "bytes", "bytes", "link", "fifo", "directory", "large", "nothing")
    was = _files().get(path) or b""
    content = of_json(random, to_json(_RECORD)) if path == _REQUEST else of_bytes(random, was)
    return _Change(path, random.choice(kinds), content, random.choice(_TARGETS))


def _make(directory: Path) -> None:
    for name, content in _files().items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)
    for name, target in _LINKS.items():
        (directory / name).symlink_to(target)
    (directory / _REQUEST).write_text(json.dumps(to_json(_RECORD)))


def _put(change: _Change, directory: Path) -> None:
    path = directory / change.path
    if not path.is_symlink() and path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    match change.kind:
        case "bytes":
            path.write_bytes(change.content)
        case "link":
            path.symlink_to(change.target)
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "large":
            path.touch()
            os.truncate(path, 1 << 40)


def _cross(changes: list[_Change]) -> object:
    """Show its status, find the installed credential, check it, list its generations, roll back."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        _make(directory)
        for change in changes:
            with suppress(OSError):  # an earlier one left no place for it
                _put(change, directory)
        shown = status([directory], _RUNNING, _ASKING, _LIMITS, registered=(), admins=None, now=NOW)
        files = reader.installed(directory)
        found = client_credential.load(files.ca, files.cert, files.key, NOW)
        listed = history.find(directory)
        rolled = rollback.roll_back(directory, None, admins=None, now=NOW)
    return [shown.severity, found.result, listed.generations, rolled.generation]


BORDER = Border("directory", _draw, _cross)
