"""Promises of the timer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_TIMER: Rows = (
    (
        "a service without a token file is refused",
        'if chosen.method is Method.TOKEN and "token_file" not in service.origins:',
        "if False:",
    ),
    (
        "a service that would wait for a password is refused",
        "    if chosen.method in _PROMPTING:",
        "    if False:",
    ),
    (
        "a setting that the service lacks is refused",
        "(used and getattr(here, name) != getattr(service, name))",
        "False",
    ),
    ("a flag that the service lacks is refused", "isinstance(origin, Flag) or ", ""),
    (
        "a proxy that the service lacks is refused",
        "if any(proxy_for(each, here) != proxy_for(each, service) for each in here.addresses):",
        "if False:",
    ),
    (
        "the operator may log in with another token",
        " and source.key != _LOGIN",
        "",
    ),
    (
        "nothing is said of a service of somebody else",
        "if text is None or not unit_origin.is_ours(text.encode()):",
        "if text is None:",
    ),
)
_UNITS: Rows = (
    ("homes are hidden if nothing is there", '"read-only" if in_homes else "true"', '"read-only"'),
    ("a program in a home can be run", "(*program.places, *written)", "written"),
    (
        "a service may write below a directory that it knows",
        "for path in (directory, *directory.parents)",
        "for path in (directory,)",
    ),
)
_SYSTEMD: Rows = (
    ("specifiers are escaped", '.replace("%", "%%")', ""),
    ("backslashes are escaped", '.replace("\\\\", "\\\\\\\\")', ""),
    ("a line break is refused", "    if not text.isprintable():", "    if False:"),
)
_CLI: Rows = (
    ("a dry run of nothing is refused", "    if not wanted:", "    if False:"),
    ("options that do not go together are refused", "        if value:\n", "        if False:\n"),
)
TABLE: Table = {
    "timer.py": ("cli/test_timer.py", _TIMER),
    "host/units.py": ("host/test_units.py", _UNITS),
    "host/systemd.py": ("host/test_units.py", _SYSTEMD),
    "cli/timer.py": ("cli/test_timer.py", _CLI),
}
