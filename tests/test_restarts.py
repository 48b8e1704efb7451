"""Calls of a real host's Docker while the timer renews its certificate and restarts dockerd."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .harness import load
from .harness.host import Host, running_host
from .harness.notes import note

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

RENEWALS = 8
NICE = 10  # of the callers, so that they keep no processor from what they wait for


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host on which systemd holds the port, the timer renews, and a container counts."""
    with running_host(engine, host_image, host_program) as booted:
        load.prepare(booted)
        yield booted


def test_restart_refuses_no_connection(host: Host, pytestconfig: pytest.Config) -> None:
    """A caller loses at most the call in progress; containers run on.

    Of their output, dockerd loses at most the line that it has read and not written yet.
    """
    outcome = load.under_load(host, RENEWALS, nice=NICE)
    note(
        pytestconfig,
        f"{RENEWALS} restarts behind a held socket: {outcome.calls} calls in "
        f"{outcome.seconds:.0f} s, {outcome.refused} refused, {outcome.lost} lost",
    )
    assert outcome.certificates == RENEWALS + 1
    # Before the first renewal, and after each: nobody is refused who does not call.
    assert all(calls.answered > RENEWALS for calls in outcome.callers.values())
    assert outcome.other == ()
    assert outcome.refused == 0
    assert all(calls.lost <= RENEWALS for calls in outcome.callers.values())
    assert outcome.kept
    assert outcome.missing <= RENEWALS


# Streams, with what the docker CLI prints when dockerd ends them, and its exit status.
STREAMS = {
    "events": ("unexpected EOF", 1),
    "logs --follow counting": ("unexpected EOF", 1),
    "attach counting": ("connection reset by peer", 1),
    "exec counting sh -c 'echo here; sleep 1000'": ("connection reset by peer", 1),
    "exec -i counting sh -c 'echo here; sleep 2000'": ("No such exec instance", 1),
    "run --network none small sh -c 'echo here; sleep 3000'": ("connection reset by peer", 1),
    "run -i --network none small sh -c 'echo here; sleep 4000'": (
        "error waiting for container: unexpected EOF",
        125,
    ),
    "stats": ("", 0),
}
# Each has printed something; an event is that a command was started in the container.
FLOWING = f"""\
for n in $(seq 600); do
    docker exec counting sh -c :
    for stream in $(seq 0 {len(STREAMS) - 1}); do
        [ -s /srv/$stream ] || continue 2
    done
    exit 0
done
exit 1
"""


def test_restart_ends_streams(host: Host) -> None:
    """What `exec` and `run` started runs on."""
    docker = f"docker --tlsverify --tlscacert={load.CLIENT}/ca.pem"
    docker += f" --tlscert={load.CLIENT}/cert.pem --tlskey={load.CLIENT}/key.pem -H 127.0.0.1:2376"
    host.do("mkfifo /srv/keyboard")  # opened for writing, too, it has no end
    for number, stream in enumerate(STREAMS):
        call = f"{docker} {stream} <>/srv/keyboard; echo exit status $?"
        host.do(f"({call}) >/srv/{number} 2>&1 & sleep 0")
    host.do(FLOWING)
    host.do("systemctl restart docker.service")
    for number, (words, status) in enumerate(STREAMS.values()):
        host.do(f"timeout 60 sh -c 'until grep -q ^exit /srv/{number}; do sleep 0.1; done'")
        printed = host.do(f"tail -n 2 /srv/{number}")
        assert printed.endswith(f"exit status {status}\n"), printed
        assert words in printed
    for seconds in ("100[0]", "200[0]", "300[0]", "400[0]"):
        host.do(f"cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep --quiet 'sleep {seconds}'")


def test_port_of_dockerd_refuses_connections(host: Host) -> None:
    """That is what the callers would see: with `-H tcp://`, nobody listens during a restart."""
    load.open_port(host)
    outcome = load.under_load(host, 1)
    assert outcome.callers["Python, TLS"].refused > 0
    assert outcome.callers["Python, Unix socket"].refused == 0
    assert outcome.kept
