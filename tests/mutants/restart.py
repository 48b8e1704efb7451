"""Promises of the default hook, and of the restart that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_PICKUP: Rows = (
    (
        "a set-up that cannot be read is not taken for none",
        "RecursionError):\n        return Pickup.RESTART",
        "RecursionError):\n        return Pickup.NONE",
    ),
    (
        "a set-up is for one daemon",
        "or not _is_same(found.certificates, directory)",
        "",
    ),
    (
        "a link leads to the same daemon",
        "os.path.realpath(one) == os.path.realpath(other)",
        "one == other",
    ),
    (
        "a set-up of another version is not understood",
        'if kept["version"] != VERSION:',
        "if False:",
    ),
)
_DEFAULT: Rows = (
    (
        "a request without hooks has the default",
        "own = running.default(found.place.directory)",
        "own = ()",
    ),
    ("hooks that were chosen replace the default", "    if own is None:", "    if not own:"),
)
_NEEDED: Rows = (
    (
        "`needs-renewal` knows the default",
        "has_own = pickup.of(host.state, path) is not Pickup.NONE",
        "has_own = False",
    ),
    ("and hooks that were chosen instead", "    if has_own is None:", "    if not has_own:"),
)
_PASSED: Rows = (
    (
        "a hook of ours finds the same set-up",
        'kept["DOCKERTLS_STATE_DIR"] = str(settings.state_dir)',
        "pass",
    ),
    ("it does not depend on PATH", "*program.command(), *_RESTART", '"false", *_RESTART'),
)
_TAKEN: Rows = (
    (
        "that there is no hook is taken over in words",
        'case ():\n            return [("none",)]',
        "case ():\n            return []",
    ),
)
_ISSUE: Rows = (("the default can be chosen again", "    if texts == [DEFAULT]:", "    if False:"),)
_NOTE: Rows = (
    (
        "nobody is told to restart what a hook restarts",
        "is Purpose.CLIENT or settle.commands(found, running):",
        "is Purpose.CLIENT:",
    ),
    ("a client has no daemon", "found.record.request.purpose is Purpose.CLIENT or ", ""),
)

_TESTS = "test_default_hook.py"
TABLE: Table = {
    "daemon/pickup.py": ("daemon/test_pickup.py", _PICKUP),
    "credential/settle.py of a host": (_TESTS, _DEFAULT),
    "needs_renewal.py of a host": (_TESTS, _NEEDED),
    "cli/running.py": (_TESTS, _PASSED),
    "cli/previous.py without hooks": (_TESTS, _TAKEN),
    "cli/issue.py": (_TESTS, _ISSUE),
    "cli/settled.py": (_TESTS, _NOTE),
}
