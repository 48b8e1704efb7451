"""Background work is cut off with its block, and its errors are raised where it is awaited."""

from __future__ import annotations

import socket
import threading
from functools import partial

import pytest

from dockertls_vault import stop
from dockertls_vault.background import NAME, in_background
from tests.harness.process import wait_until
from tests.test_stop import receive


def is_running() -> bool:
    """Tell whether a background thread is still running."""
    return NAME in {thread.name for thread in threading.enumerate()}


def test_request_to_stop_ends_both_threads() -> None:
    """The background thread stops waiting, and Stopped is raised where its result is awaited."""
    with stop.heeded() as asked, in_background(receive) as result:
        asked.request()
        with pytest.raises(stop.Stopped):
            result()


def test_error_in_the_block_ends_the_work() -> None:
    """No thread is left behind."""
    with pytest.raises(KeyError), in_background(receive):
        raise KeyError
    assert not is_running()


def test_error_in_a_patient_block_ends_the_work() -> None:
    """The thread's patience does not extend to the background, or leaving the block would hang."""
    with stop.patiently(), in_background(receive):
        pass
    assert not is_running()


def test_patient_work_ends_on_a_second_request() -> None:
    """A background login is cut off exactly when a foreground one would be."""
    ours, theirs = socket.socketpair()
    received: list[bytes] = []

    def wait_twice() -> None:
        with stop.patiently(), stop.cutting(partial(stop.shut, ours)):
            received.append(ours.recv(1))
            received.append(ours.recv(1))

    with ours, theirs, stop.heeded() as asked, in_background(wait_twice) as result:
        asked.request()
        theirs.send(b"t")
        wait_until(lambda: received == [b"t"])
        asked.insist()
        with pytest.raises(stop.Stopped):
            result()
    assert received == [b"t", b""]


def test_error_takes_precedence_over_a_request_to_stop() -> None:
    """It may report a token that was left behind; Stopped would hide it."""
    with stop.heeded() as asked, in_background(lambda: 1 // 0) as result:
        wait_until(lambda: not is_running())
        asked.request()
        with pytest.raises(ZeroDivisionError):
            result()


def test_work_runs_once_on_waiting_if_no_thread_can_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit on threads (ulimit -u, a container's) costs time, but no second request."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    done: list[int] = []
    with in_background(lambda: done.append(1)) as result:
        assert done == []
        result()
        result()
    assert done == [1]


def test_error_is_raised_where_the_result_is_awaited() -> None:
    """It is raised no earlier, and unchanged."""
    with in_background(lambda: 1 // 0) as result, pytest.raises(ZeroDivisionError):
        result()
    with in_background(lambda: 1 + 1) as result:
        assert result() == 2
