"""The table for when a credential is renewed, why, and what happens afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_SCHEDULE: Rows = (
    ("a certificate is due at two thirds", "_DUE = 2 / 3", "_DUE = 1 / 2"),
    ("give or take a tenth", "_JITTER = 1 / 10", "_JITTER = 1 / 5"),
    ("a fleet does not renew at once", "_JITTER * _spread(seed)", "_JITTER * 0"),
    (
        "what would never be renewed cannot be written",
        "if not issued < due < end:",
        "if False:",
    ),
    ("an expired certificate is due", "if self.end <= now:", "if False:"),
    ("a clock that was set back makes it due", "if now < self.issued:", "if False:"),
    ("it is not due earlier", "and self.due <= now:", "and True:"),
)
_DURATION: Rows = (
    ("a time without a time zone is rejected", "if time.tzinfo is None:", "if False:"),
)
_THRESHOLD: Rows = (
    (
        "a percentage is of the validity",
        "limit = schedule.validity * self.left",
        "limit = schedule.left(now) * self.left",
    ),
    ("0 % and 101 % are rejected", "if not 0 < fraction <= 1:", "if False:"),
)
_WINDOW: Rows = (
    (
        "a window that has just closed is closed",
        "self.start <= now < self.end",
        "self.start <= now",
    ),
    ("a window may end on the next day", "day if self.end > self.start else", "day if True else"),
    ("yesterday's window may still be open", ".date() - timedelta(1)", ".date()"),
    ("daylight saving time may leave nothing of a window", " and start < end:", ":"),
    ("an empty window is rejected", "    if start == end:\n", "    if False:\n"),
    ("a range of days may span the weekend", "% len(DAYS)\n    return", "\n    return"),
)
_CAUSES: Rows = (
    ("a threshold replaces the schedule", "if threshold is None:", "if True:"),
    (
        "what has expired is due whatever the threshold",
        "why = schedule.why_unusable(now)",
        "why = None",
    ),
    (
        "a name that is missing does not make it due",
        "if name not in before.all",
        "if name not in before.all or set(before.all) - set(now.all)",
    ),
    ("a root that was removed makes it due", "ca not in current", "False and ca not in current"),
    ("a root that was added makes it due", "ca not in installed", "False and ca not in installed"),
)
_SETTLE: Rows = (
    (
        "hooks run once for each generation",
        "        and found.hooks.completed != found.generation\n",
        "",
    ),
    ("hooks wait for their window", "    if waiting is not None:\n", "    if False:\n"),
    ("a failure is remembered", "replace(found.hooks, failure=failure)", "found.hooks"),
    (
        "common hooks run, too",
        "return (*own, *running.common)",
        "return own",
    ),
    ("root runs no hook of an administrator", "    _refuse_planted(found)\n", ""),
)
_PENDING: Rows = (
    (
        "the first hooks do not wait for a window",
        "if window is None or end is None:",
        "end = end or now.max.replace(tzinfo=now.tzinfo)\n        if window is None:",
    ),
    (
        "hooks do not wait until the certificate in use has expired",
        "or end <= opening.start else",
        "or False else",
    ),
)
_HOOKS: Rows = (
    ("a hook that fails is an error", "if process.returncode > 0:", "if False:"),
    ("a hook that was killed is an error", "if process.returncode < 0:", "if False:"),
    ("a hook has a timeout", "if time.monotonic() > deadline:", "if False:"),
    ("what a hook started is ended with it", "start_new_session=True", "start_new_session=False"),
    ("a hook does not read root's terminal", "or not os.isatty(2)", "or True"),
    ("a hook reads nothing", "stdin=subprocess.DEVNULL", "stdin=None"),
    (
        "a hook gets only what is listed",
        "env={**environment, ",
        "env={**os.environ, **environment, ",
    ),
)
_REGISTRY: Rows = (
    ("listing twice is the same as once", "with suppress(FileExistsError):", "with suppress():"),
    (
        "two directories have two entries",
        "path = os.fsencode(credential.absolute())",
        'path = b""',
    ),
    (
        "a list that others can write to is rejected",
        "partial(refuse_component, place), making",
        "lambda _: None, making",
    ),
)
_VOUCHING: Rows = (
    (
        "root renews only what root requested",
        "            if not is_requested:\n",
        "            if False:\n",
    ),
)
_DIGEST: Rows = (
    (
        "detected names may differ",
        "    if record.detected_names is not None:\n        kept |=",
        "    if False:\n        kept |=",
    ),
    (
        "given names may not",
        "    if record.detected_names is not None:\n        kept |=",
        "    if True:\n        kept |=",
    ),
)
_PREVIOUS: Rows = (
    (
        "what another user wrote is not requested",
        "if place.uid == KEEP or registry.vouches_for(place.directory, found):",
        "if True:",
    ),
    ("what is given is requested", "        if given is not None:\n", "        if False:\n"),
    (
        "what was requested is requested again",
        "        if self.record is None:\n            return default",
        "        if True:\n            return default",
    ),
    (
        "what was taken over is logged",
        '        if self._taken:\n            logger.info("',
        '        if False:\n            logger.info("',
    ),
    (
        "a variable takes precedence",
        "settings.origins.get(name), Flag | Variable)",
        "settings.origins.get(name), Flag)",
    ),
    (
        "a role is one of its mount",
        "return self if same else Previous(None)",
        "return self",
    ),
)
_HOOK_OPTION: Rows = (
    (
        "a command that needs a shell is refused",
        "    if needing is not None:\n",
        "    if False:\n",
    ),
    ("a relative program is refused", "and not Path(program).is_absolute()", "and False"),
    ("a hook that cannot be kept is refused", "    _refuse_unkept(texts)\n", ""),
    ("a program that is missing is refused", "    if found is None:\n", "    if False:\n"),
)

TABLE: Table = {
    "duration.py": ("certificate/test_schedule.py", _DURATION),
    "certificate/schedule.py": (
        "certificate/test_schedule.py credential/test_causes.py",
        _SCHEDULE,
    ),
    "certificate/threshold.py": ("certificate/test_threshold.py", _THRESHOLD),
    "window.py": ("test_window.py", _WINDOW),
    "credential/causes.py": ("credential/test_causes.py", _CAUSES),
    "credential/settle.py": ("credential/test_settle.py", _SETTLE),
    "credential/pending.py": ("credential/test_settle.py", _PENDING),
    "credential/hooks.py": ("credential/test_hooks.py", _HOOKS),
    "credential/registry.py": ("credential/test_registry.py", _REGISTRY),
    "renew.py for root": ("test_issue_again.py", _VOUCHING),
    "credential/record.py of a request": ("credential/test_registry.py", _DIGEST),
    "cli/previous.py": ("test_issue_again.py", _PREVIOUS),
    "cli/hook_option.py": ("cli/test_hook_option.py", _HOOK_OPTION),
}
