"""A signal ends a command soon, wherever it arrives."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from dockertls_vault import stop
from dockertls_vault.cli import signals

LIMIT = 120.0  # seconds; far more than any wait here takes


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_that_interrupts_no_wait_is_noticed(number: signal.Signals) -> None:
    """As one that arrives just before the wait does; here another thread receives it."""
    reader, writer = os.pipe()

    def receive() -> None:
        time.sleep(0.2)  # by then the main thread waits, most likely
        signal.pthread_kill(threading.get_ident(), number)

    thread = threading.Thread(target=receive)
    started = time.monotonic()
    with signals.terminating() as found:
        thread.start()
        with pytest.raises(stop.Stopped):
            stop.readable(reader, LIMIT)
    thread.join()
    assert time.monotonic() - started < LIMIT / 2
    assert found.status == 128 + number
    os.close(reader)
    os.close(writer)


def test_nothing_is_left_of_the_alarm() -> None:
    """Whoever calls the command in their own process has their handlers back, and no timer."""
    before = signal.getsignal(signal.SIGALRM)
    with signals.terminating():
        pass
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == before


def test_process_that_changes_a_host_is_not_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long it takes; any other is killed once its time is up."""
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda *what: killed.append(what))
    with signals.terminating() as found:
        signal.raise_signal(signal.SIGTERM)
        with stop.to_the_end():
            for _ in range(3):
                found.on_alarm(signal.SIGALRM, None)
            stop.check()
        assert killed == []
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 0
        with pytest.raises(stop.Stopped):
            stop.check()
        found.on_alarm(signal.SIGALRM, None)
    assert killed == [(os.getpid(), signal.SIGTERM)]


def test_signal_ends_one_sleep() -> None:
    """It also ends a sleep that begins after it; many signals count as one."""
    with signals.terminating() as found, signals.waking(signal.SIGHUP) as sleep:
        for _ in range(70_000):  # more than a pipe holds
            signal.raise_signal(signal.SIGHUP)
        started = time.monotonic()
        assert sleep(LIMIT)
        assert time.monotonic() - started < LIMIT / 2
        while sleep(0.0):
            pass
        stop.check()
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(stop.Stopped):
            sleep(LIMIT)
    assert found.number == signal.SIGTERM
