"""Hosts whose credentials are renewed, each for another reason, and the command line on them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dockertls_vault.certificate.names import Names
from dockertls_vault.credential import store
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.registry import Registry
from tests import aged, mounts
from tests.credentials import CLIENT, generations
from tests.hosts import SERVER

from . import forks
from .scenarios import GROUP, OWNER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.credential.record import Record
    from tests.certificates import Authority
    from tests.harness.openbao import DevVault

# A hook writes down for which generation it ran; it fails without the file ok. With a file of that
# name it kills the run that started it, before or after its work.
LOG = "log"
BEFORE_THE_WORK, AFTER_THE_WORK = "kill-before", "kill-after"
_HOOK = f"""
cd "$1" || exit
test ! -e {BEFORE_THE_WORK} || {{ kill -9 $PPID; exit; }}
test -e ok || exit 1
echo "$DOCKERTLS_HOOK_GENERATION" >> {LOG}
test ! -e {AFTER_THE_WORK} || kill -9 $PPID
"""
_FRESH, _DUE = timedelta(hours=1), timedelta(days=6)  # of a server's seven days
_HOOK_FAILED = 71


@dataclass(frozen=True)
class Kind:
    """Why and how a run renews: ``record`` says what, ``age`` for how long it has been installed.

    ``change`` happens to the host before the run, which ends with ``status``, as every later run
    does. ``action`` is what the run does, ``hooked`` whether hooks run, ``copies`` how many
    credentials there are, ``directory_of`` whose directory was there before.
    """

    record: Record = SERVER
    age: timedelta = _DUE
    action: str = "renewed"
    change: Callable[[Host], object] = lambda _: None
    hooked: bool = False
    status: int = 0
    copies: int = 1
    directory_of: str | None = None


class Host:
    """A host in ``root``, which is prepared once, and put back before each run."""

    def __init__(self, kind: Kind, server: DevVault, root: Path) -> None:
        self.kind = kind
        self.server = server
        self.root = root
        self.mount = f"pki-{secrets.token_hex(4)}"
        self.authority: Authority = mounts.known_root(server, self.mount)
        self.live = root / "live"
        self.outs = tuple(self.live / f"tls-{number}" for number in range(kind.copies))
        self._prepare()

    @property
    def directories(self) -> tuple[Path, ...]:
        """The directories of the credentials."""
        record = self.kind.record
        return tuple(record.place(out).directory for out in self.outs)

    @property
    def generations(self) -> list[str]:
        """Return the names of those in use."""
        links = (each / ".dockertls" / "current" for each in self.directories)
        return [link.readlink().name for link in links]

    @property
    def registry(self) -> Registry:
        """Return what the host knows."""
        return Registry(self.live / "state")

    def log(self) -> list[str]:
        """Return for which generations hooks ran."""
        return (self.live / LOG).read_text().split()

    def leaf(self, directory: Path) -> bytes:
        """Return the certificate in use."""
        return (directory / ".dockertls" / "current" / "cert.pem").read_bytes()

    def put_back(self) -> None:
        """Make the host what it was before the first run."""
        shutil.rmtree(self.live)
        subprocess.run(["cp", "-a", self.root / "prepared", self.live], check=True)

    def run(self, *options: str, address: str | None = None, **how: Any) -> int:
        """Run ``renew`` on this host, as ``forks.run`` does."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.live / "home"),
            "VAULT_ADDR": address or self.server.address,
            "VAULT_TOKEN": self.server.token,
            "DOCKERTLS_STATE_DIR": str(self.live / "state"),
        }
        return forks.run(["renew", *options], environ, self.root / "output", **how)

    def said(self) -> str:
        """Return what the last run wrote to stderr."""
        return (self.root / "output.err").read_text()

    def told(self) -> list[dict[str, Any]]:
        """Return the renewals in the JSON of the last run."""
        told = json.loads((self.root / "output").read_text())
        renewals: list[dict[str, Any]] = told["data"]["renewals"]
        return renewals

    def install(self, age: timedelta) -> None:
        """Install every credential with this age."""
        record = self.kind.record
        record = replace(record, request=replace(record.request, mount=self.mount))
        if self.kind.hooked:
            record = replace(record, hooks=(("sh", "-c", _HOOK, "hook", str(self.live)),))
        for out in self.outs:
            aged.install(self.authority, record, out, age)
            self.registry.vouch(record.place(out).directory, record)

    def _prepare(self) -> None:
        self.live.mkdir()
        (self.live / "home").mkdir()
        for name in (LOG, "ok"):
            (self.live / name).touch()
        (self.live / LOG).chmod(0o666)
        if (owner := self.kind.directory_of) is not None:
            for out in self.outs:
                out.mkdir(mode=0o755)
                shutil.chown(out, owner)
        self.install(self.kind.age)
        for directory in self.directories:
            self.registry.add(directory)
        self.kind.change(self)
        self.live.rename(self.root / "prepared")
        self.live.mkdir()
        self.put_back()


def _new_root(host: Host) -> None:
    """Add a root that does not sign yet."""
    _rotate(host)


def _new_issuer(host: Host) -> None:
    """Have another root sign."""
    new = _rotate(host)["issuer_id"]
    with mounts.session(host.server) as session:
        mounts.post(session, f"{host.mount}/config/issuers", default=new)


def _rotate(host: Host) -> Any:
    body = {"common_name": "next", "not_before_duration": "5m"}
    with mounts.session(host.server) as session:
        return mounts.post(session, f"{host.mount}/root/rotate/internal", **body)["data"]


def _damage(host: Host) -> None:
    """Remove a link, and let everybody read the key."""
    (host.outs[0] / "server-cert.pem").unlink()
    (host.outs[0] / "server-key.pem").resolve().chmod(0o444)


def _four(host: Host) -> None:
    for days in (6.5, 6.4, 6.3, 6.2):
        host.install(timedelta(days=days))


def _back(host: Host) -> None:
    """Go back to the certificate before, of which due.json says nothing."""
    host.install(_FRESH / 2)
    for out in host.outs:
        place = host.kind.record.place(out)
        oldest, _ = generations(place.directory)
        store.use(place, oldest)


def _gone(host: Host) -> None:
    """List a directory that does not exist, before and after those that do."""
    for name in ("a-gone", "z-gone"):
        host.registry.add(host.live / name)


def _not_ok(host: Host) -> None:
    (host.live / "ok").unlink()


def _failed(host: Host) -> None:
    """Let a hook fail, and be able to work since."""
    _not_ok(host)
    assert host.run() == _HOOK_FAILED
    (host.live / "ok").touch()


_DETECTED = Names(("localhost",), ("127.0.0.2",))
KINDS = {
    "by schedule": Kind(),
    "the same key": Kind(replace(SERVER, reuse_key=True)),
    "docker:dind": Kind(replace(SERVER, layout=Layout.DIND), hooked=True),
    "a client": Kind(CLIENT, age=timedelta(minutes=55)),
    "--group": Kind(replace(SERVER, group=GROUP)),
    "--owner": Kind(replace(SERVER, owner=OWNER, group=GROUP), hooked=True, directory_of="root"),
    "the owner's directory": Kind(replace(SERVER, owner=OWNER), hooked=True, directory_of=OWNER),
    "four generations": Kind(change=_four),
    "three credentials": Kind(copies=3, hooked=True),
    "hooks": Kind(hooked=True),
    "hooks that never ran": Kind(age=_FRESH, action="nothing", hooked=True),
    "a hook that failed": Kind(age=_FRESH, action="nothing", change=_failed, hooked=True),
    "a hook that fails": Kind(change=_not_ok, hooked=True, status=_HOOK_FAILED),
    "a new root": Kind(age=_FRESH, action="trust-updated", change=_new_root, hooked=True),
    "a new issuer": Kind(age=_FRESH, change=_new_issuer),
    "new names": Kind(replace(SERVER, detected_names=_DETECTED), age=_FRESH, hooked=True),
    "damage": Kind(age=_FRESH, change=_damage),
    "a rollback": Kind(age=_FRESH, action="nothing", change=_back, hooked=True),
    "a directory that is gone": Kind(change=_gone),
}
ROOT_ONLY = ("--owner", "the owner's directory")
