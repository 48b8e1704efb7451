"""The table for connections to Vault: limits, pauses, warnings, and reports of long waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_DIALING: Rows = (
    (
        "an address that hangs leaves time for the next",
        "(end - time.monotonic()) / (len(found) - number)",
        "end - time.monotonic()",
    ),
    ("the next address is tried", "            failure = error\n", "            raise\n"),
    ("the time limit includes DNS", "resolve(host, port, limit)", "resolve(host, port, 3600.0)"),
    (
        "what remains of the time limit is for the request",
        "            connection.settimeout(end - time.monotonic())\n            return",
        "            connection.settimeout(limit)\n            return",
    ),
)
_PLAINTEXT: Rows = (
    (
        "a token that is sent unencrypted is reported",
        "    if not server.is_loopback:\n        return True\n",
        "",
    ),
    ("https is no reason for a warning", 'if server.scheme != "http":', "if False:"),
    ("loopback is no reason for a warning", "    if not server.is_loopback:\n", "    if True:\n"),
    (
        "a token that is sent to a proxy unencrypted is reported",
        "return proxy is not None and not proxy.address.is_loopback",
        "return False",
    ),
    ("a proxy on this machine is no reason", " and not proxy.address.is_loopback", ""),
)
_POOLS: Rows = (
    (
        "a request is sent in one piece",
        "            self._pieces.append(data)\n",
        "            super().send(data)\n",
    ),
    (
        "the alert of a server that has closed is read",
        "except ssl.SSLEOFError as error:",
        "except EOFError as error:",
    ),
    (
        "a tunnel that fails is the proxy's fault",
        'raise ProxyError("tunnel failed", error) from error',
        "raise",
    ),
    ("a signal interrupts connecting", "        with stop.at_once():\n", "        if True:\n"),
)
_UNIX: Rows = (
    (
        "the host of a Unix socket is localhost",
        'super().__init__("localhost", path',
        'super().__init__("vault", path',
    ),
)
_RETRY: Rows = (
    ("pauses have jitter over half of each", "(0.5 + random() / 2)", "(0.25 + random() * 0.75)"),
    ("pauses begin with 0.1 s", "_FIRST_PAUSE = 0.1", "_FIRST_PAUSE = 0.2"),
    ("pauses grow to 2 s", "_LONGEST_PAUSE = 2.0", "_LONGEST_PAUSE = 1.6"),
    ("any number of attempts is possible", "min(times, _MOST_DOUBLINGS)", "times"),
)
_WATCH: Rows = (
    ("a wait of two seconds is reported", "PATIENCE = 2.0", "PATIENCE = 2.5"),
    ("a short wait is not reported", "time.monotonic() + PATIENCE\n", "time.monotonic()\n"),
    ("a wait is reported once", "self._text, pause = None, PATIENCE", "pause = PATIENCE"),
    (
        "a wait that is over is not reported",
        "                self._text = None\n",
        "                pass\n",
    ),
)

TABLE: Table = {
    "vault/http/dialing.py": ("vault/http/test_dialing.py", _DIALING),
    "vault/http/plaintext.py": (
        "vault/http/test_redirect.py vault/http/test_transport.py",
        _PLAINTEXT,
    ),
    "vault/http/pools.py": (
        "vault/http/test_pools.py vault/http/test_failures.py vault/http/test_transport.py",
        _POOLS,
    ),
    "vault/http/pools.py unix": ("vault/test_as_bao.py", _UNIX),
    "vault/http/retry.py": ("vault/http/test_retry.py", _RETRY),
    "vault/http/watch.py": ("vault/http/test_watch.py", _WATCH),
}
