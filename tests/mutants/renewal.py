"""The table for renewals: of many credentials in one run, and in one process for days."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_MOUNTS: Rows = (
    (
        "a Vault that cannot be reached is waited for once",
        "            self._failures.append(failure)\n",
        "",
    ),
    (
        "a login that was denied does not keep anyone from reading",
        "if with_token or isinstance(failure, _AWAY):",
        "if True:",
    ),
    (
        "a login that was denied is not tried again",
        "if with_token or isinstance(failure, _AWAY):",
        "if isinstance(failure, _AWAY):",
    ),
    ("each mount is read once", "        if path not in self._opened:\n", "        if True:\n"),
    ("a run needs one connection", "            mount.issuers()\n", "            pass\n"),
)
_RENEW: Rows = (
    (
        "no daemon is restarted with damaged files",
        "broken = failure is not None and bool(found.damage or damage)",
        "broken = False",
    ),
    (
        "pending hooks run although the renewal failed",
        "broken = failure is not None and bool(found.damage or damage)",
        "broken = failure is not None",
    ),
)

TABLE: Table = {
    "mounts.py": ("test_renew_all.py", _MOUNTS),
    "renew.py in a run": ("test_renew_all.py", _RENEW),
}
