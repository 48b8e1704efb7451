"""Go's verdict on randomly changed chains: it accepts whatever is accepted here."""

from __future__ import annotations

import itertools
from random import Random
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.certificate.request import Purpose
from dockertls_vault.errors import VerificationError
from tests.verdicts import go_refuses_clients, go_refuses_server

from . import chains

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.x509 import Certificate

    from tests.certificates import Issued

SERVERS, CLIENTS = 12, 60


def accepted(purpose: Purpose) -> Iterator[tuple[Issued, tuple[Certificate, ...]]]:
    """Yield what would be installed, with the trust bundle; CA names differ for each."""
    for number in itertools.count():
        drawn = chains.draw(Random(f"go/{number}"))  # noqa: S311 - no secret
        if drawn.purpose is purpose:
            try:
                yield chains.accept(drawn, *chains.build(drawn, f" {number}"))
            except VerificationError:
                continue


@pytest.mark.filterwarnings("ignore")  # as the program itself does
def test_go_accepts_every_accepted_server(tmp_path: Path) -> None:
    """Nothing that a Go client would reject is installed."""
    for number, found in enumerate(itertools.islice(accepted(Purpose.SERVER), SERVERS)):
        assert go_refuses_server(tmp_path / str(number), *found) is None


@pytest.mark.filterwarnings("ignore")
def test_go_accepts_every_accepted_client(tmp_path: Path) -> None:
    """Nothing that a Go server would reject is installed."""
    found = list(itertools.islice(accepted(Purpose.CLIENT), CLIENTS))
    clients = [issued for issued, _ in found]
    roots = [root for _, bundle in found for root in bundle]
    assert go_refuses_clients(tmp_path, clients, roots) == [None] * CLIENTS
