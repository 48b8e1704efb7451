"""Work in the background: cut with its block, and its errors are raised where it is waited for."""

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
    """Tell whether a background thread is left."""
    return NAME in {thread.name for thread in threading.enumerate()}


def test_a_request_to_stop_cuts_both_threads() -> None:
    """The background thread stops waiting, and Stopped is raised where its result is awaited."""
    with stop.heeded() as asked, in_background(receive) as result:
        asked.request()
        with pytest.raises(stop.Stopped):
            result()


def test_work_ends_with_its_block() -> None:
    """An error that ends the block leaves no thread behind."""
    with pytest.raises(KeyError), in_background(receive):
        raise KeyError
    assert not is_running()


def test_work_ends_with_a_block_that_is_patient() -> None:
    """What this thread holds is not held in the background, or leaving the block would hang."""
    with stop.patiently(), in_background(receive):
        pass
    assert not is_running()


def test_what_the_work_does_patiently_is_cut_when_that_is_insisted_on() -> None:
    """A login in the background is cut no sooner than one in the foreground, and no later."""
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


def test_an_error_is_raised_although_the_end_was_asked_for() -> None:
    """It may tell of a token that was left; Stopped would hide it."""
    with stop.heeded() as asked, in_background(lambda: 1 // 0) as result:
        wait_until(lambda: not is_running())
        asked.request()
        with pytest.raises(ZeroDivisionError):
            result()


def test_without_threads_the_work_runs_once_when_it_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A limit on threads (ulimit -u, a container's) costs time, and no second request."""

    def refused(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    done: list[int] = []
    with in_background(lambda: done.append(1)) as result:
        assert done == []
        result()
        result()
    assert done == [1]


def test_an_error_is_raised_where_the_result_is_waited_for() -> None:
    """No sooner, and as it was."""
    with in_background(lambda: 1 // 0) as result, pytest.raises(ZeroDivisionError):
        result()
    with in_background(lambda: 1 + 1) as result:
        assert result() == 2
