"""Headless Chromium, controlled through the DevTools protocol over a pair of pipes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",  # which root cannot have; it opens our own pages alone
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--no-first-run",
    "--remote-debugging-pipe",
)
# The two file descriptors of --remote-debugging-pipe, and a number above both.
_COMMANDS, _ANSWERS, _ABOVE = 3, 4, 10


class Tab:
    """A page, with the URLs fetched since it was opened."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._received = b""
        self._count = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network"):
            self._call(f"{domain}.enable")

    def show(self, *, width: int, dark: bool) -> None:
        """Emulate a screen of that many pixels, on a system with that color scheme."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])
        # A mobile page would zoom out on overflow, which would hide it.
        size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", **size)

    def open(self, address: str) -> set[str]:
        """Open a page; return what was fetched for it."""
        self._events.clear()
        self._call("Page.navigate", url=address)
        while not any(event["method"] == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())
        return {
            event["params"]["request"]["url"]
            for event in self._events
            if event["method"] == "Network.requestWillBeSent"
        }

    def value(self, expression: str) -> Any:
        """Return the value of a JavaScript expression, evaluated as by a user's action."""
        how = {"returnByValue": True, "userGesture": True}
        return self._call("Runtime.evaluate", expression=expression, **how)["result"]["value"]

    def _call(self, method: str, **parameters: Any) -> Any:
        self._count += 1
        call: dict[str, Any] = {"id": self._count, "method": method, "params": parameters}
        if self._session is not None:
            call["sessionId"] = self._session
        os.write(self._commands, json.dumps(call).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._count:
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            more = os.read(self._answers, 1 << 20)
            if not more:
                raise RuntimeError("chromium has ended")
            self._received += more
        message, _, self._received = self._received.partition(b"\0")
        return dict(json.loads(message))


def find() -> str | None:
    """Return the path of the browser, if installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def tab(program: str) -> Iterator[Tab]:
    """Run a separate browser with a temporary profile."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        its_commands, commands = os.pipe()
        answers, its_answers = os.pipe()
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, _ABOVE) for end in (its_commands, its_answers)]
        browser = os.posix_spawn(
            program,
            [program, *_OPTIONS, f"--user-data-dir={profile}"],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                (os.POSIX_SPAWN_DUP2, ends[0], _COMMANDS),
                (os.POSIX_SPAWN_DUP2, ends[1], _ANSWERS),
            ],
        )
        for end in (its_commands, its_answers, *ends):
            os.close(end)
        try:
            yield Tab(commands, answers)
        finally:
            os.kill(browser, signal.SIGTERM)
            os.waitpid(browser, 0)
            os.close(commands)
            os.close(answers)
