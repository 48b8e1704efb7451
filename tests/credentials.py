"""Credentials whose files say which one they belong to, and how to read them back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import serial_text
from dockertls_vault.certificate.names import Names
from dockertls_vault.certificate.request import KeyType, Purpose, Request
from dockertls_vault.certificate.schedule import plan
from dockertls_vault.credential import store
from dockertls_vault.credential.due import Due
from dockertls_vault.credential.layout import Layout
from dockertls_vault.credential.record import Record

if TYPE_CHECKING:
    from pathlib import Path

    from .certificates import Authority, Issued

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLIENT = Record(
    Request(
        purpose=Purpose.CLIENT,
        mount="dockertls",
        role="client",
        names=Names(),
        common_name="alice",
        ttl=timedelta(hours=1),
        key_type=KeyType.EC_P256,
    ),
    Layout.DOCKER,
)
SERVER = replace(
    CLIENT,
    request=replace(
        CLIENT.request, purpose=Purpose.SERVER, role="server", names=Names(("a.example",))
    ),
)
DUE = Due(plan(NOW, NOW + timedelta(hours=1), "a"))
NAMES = ("ca.pem", "cert.pem", "key.pem")


def put(
    out: Path, number: int, record: Record = CLIENT, *, replace: bool = False
) -> store.Installed:
    """Install credential ``number``, which its files contain."""
    return store.install(
        record.place(out),
        material(number),
        record,
        replace=replace,
        now=NOW + timedelta(hours=number),
    )


def install(
    out: Path,
    record: Record,
    issued: Issued,
    ca: Authority,
    *,
    at: datetime,
    age: timedelta = timedelta(),
) -> None:
    """Install a certificate at a time ``at``, when it was ``age`` old for its renewal."""
    due = Due(plan(at - age, issued.certificate.not_valid_after_utc, str(out)))
    serial = serial_text(issued.certificate)
    parts = store.Material(ca.pem, issued.certificate_pem, issued.key_pem, serial, due)
    store.install(record.place(out), parts, record, replace=False, now=at)


def narrow(out: Path, number: int = 0, ca: bytes = b"") -> tuple[int, int] | None:
    """Install a server with this ca.pem, if any; return the identity of the note of a lost CA."""
    if ca:
        parts = replace(material(number), ca=ca)
        at = NOW + timedelta(hours=number)
        store.install(SERVER.place(out), parts, SERVER, replace=True, now=at)
    try:
        status = (out / ".dockertls" / "narrowed").stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_ctime_ns


def swap_by_hand(out: Path, target: str) -> None:
    """Point ``current`` at another target, as ``ln -sfn`` does."""
    current = out / ".dockertls" / "current"
    current.unlink()
    current.symlink_to(target)


def material(number: int) -> store.Material:
    """Return three files that contain ``number``."""
    ca, cert, key = (f"{name} {number}".encode() for name in NAMES)
    return store.Material(ca=ca, cert=cert, key=key, serial=f"0{number}:ff", due=DUE)


def public(out: Path, names: tuple[str, ...] = NAMES) -> set[str]:
    """Return the numbers that the public files contain."""
    return {(out / name).read_text().rpartition(" ")[2] for name in names}


def listing(directory: Path) -> list[str]:
    """Return the names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def generations(out: Path) -> list[str]:
    """Return the names of the generations, oldest first."""
    return listing(out / ".dockertls" / "generations")
