"""What `needs-renewal` reads of a credential, as root even where another user could write it."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from dockertls_vault import needs_renewal
from dockertls_vault.certificate.schedule import plan
from dockertls_vault.credential import due, hooks, pending
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.naming import REQUEST as REQUEST_NAME
from dockertls_vault.credential.record import Record, to_json
from dockertls_vault.window import parse_window

from .border import Border
from .mutations import of_json
from .seeds import NOW, REQUEST

if TYPE_CHECKING:
    from random import Random

    from dockertls_vault.needs_renewal import Answer

_GENERATION = "20270101T000000.000000Z-0d"
_RECORD = Record(REQUEST, Layout.DOCKER, hooks=(("true",),), window=parse_window("Sat 02:00-04:00"))
_DUE = Due(plan(NOW, NOW + timedelta(days=7), "a"), trusted_until=NOW + timedelta(days=1))
_STATE = hooks.State("another", NOW + timedelta(days=7))
_FILES = {
    REQUEST_NAME: to_json(_RECORD),
    due.NAME: json.loads(due.to_bytes(_DUE, _GENERATION)),
    pending.NAME: json.loads(hooks.to_bytes(_STATE)),
}
_HOST = needs_renewal.Host("/nowhere")
_KINDS = ("bytes",) * 8 + ("link", "fifo", "directory", "nothing")


@dataclass(frozen=True)
class _Change:
    name: str
    kind: str
    content: bytes


def _draw(random: Random) -> list[_Change]:
    names = random.sample([*_FILES], random.choice((1, 1, 2)))
    return [_Change(name, random.choice(_KINDS), of_json(random, _FILES[name])) for name in names]


def _cross(changes: list[_Change]) -> list[Answer]:
    """Ask now, when it is due, and when it has expired."""
    with tempfile.TemporaryDirectory() as made:
        private = Path(made) / ".dockertls"
        generation = private / "generations" / _GENERATION
        generation.mkdir(parents=True)
        (private / "current").symlink_to(f"generations/{_GENERATION}")
        public = {"ca.pem": "ca.pem", "cert.pem": "server-cert.pem", "key.pem": "server-key.pem"}
        for name, link in public.items():
            (generation / name).touch(mode=0o444)
            (Path(made) / link).symlink_to(f".dockertls/current/{name}")
        (generation / "key.pem").chmod(0o400)
        for name, content in _FILES.items():
            (private / name).write_text(json.dumps(content))
        for change in changes:
            _put(change, private / change.name)
        return [needs_renewal.of_credential(made, _HOST, now) for now in _DUE.schedule]


def _put(change: _Change, path: Path) -> None:
    path.unlink()
    match change.kind:
        case "bytes":
            path.write_bytes(change.content)
        case "link":
            path.symlink_to("/dev/zero")
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()


BORDER = Border("tick", _draw, _cross)
