"""Credentials that were issued some time ago, on a host and in a Vault whose clocks are right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from dockertls_vault.certificate.certificate import serial_text
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.certificate.schedule import plan
from dockertls_vault.credential import store
from dockertls_vault.credential.due import Due, jitter_seed

from .certificates import CLIENT_AUTH, SERVER_AUTH

if TYPE_CHECKING:
    from pathlib import Path

    from dockertls_vault.credential.record import Record

    from .certificates import Authority

_BACKDATED = timedelta(minutes=5)


def install(root: Authority, record: Record, out: Path, age: timedelta) -> store.Installed:
    """Install in ``out`` what ``root`` signed for a record ``age`` ago, as it was due then."""
    request, place = record.request, record.place(out)
    issued = datetime.now(UTC) - age
    server = request.purpose is Purpose.SERVER
    leaf = root.issue(
        request.common_name,
        dns=request.names.dns,
        addresses=request.names.addresses,
        usages=[SERVER_AUTH if server else CLIENT_AUTH],
        not_before=issued - _BACKDATED,
        lifetime=request.ttl + _BACKDATED,
    )
    material = store.Material(
        ca=root.pem,
        cert=leaf.certificate_pem,
        key=leaf.key_pem,
        serial=serial_text(leaf.certificate),
        due=Due(plan(issued, issued + request.ttl, jitter_seed(place.directory))),
    )
    return store.install(place, material, record, replace=False, now=issued)
