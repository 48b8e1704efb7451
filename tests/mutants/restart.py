"""Promises of the default hook, and of the restart that it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_PICKUP: Rows = (
    (
        "a set-up that cannot be read is not taken for none",
        "except _DAMAGED:\n        return Pickup.RESTART",
        "except _DAMAGED:\n        return Pickup.NONE",
    ),
    (
        "nor is one of another version",
        'if kept["version"] != VERSION:',
        "if False:",
    ),
    (
        "a set-up is for one daemon",
        'return pickup if _is_for(directory, kept["certificates"]) else',
        "return pickup if True else",
    ),
    (
        "a link leads to the same daemon",
        "return os.path.realpath(directory) in",
        "return directory in",
    ),
    ("a server of docker:dind is in a subdirectory", '{where}/{_DIND}"', '{where}"'),
)
_LISTENS: Rows = (
    (
        "a set-up of another daemon says nothing of this one",
        'if directory is None or _is_for(directory, kept["certificates"]):',
        "if True:",
    ),
)
_DEFAULT: Rows = (
    (
        "a request without hooks has the default",
        "own = running.default(found.place.directory)",
        "own = ()",
    ),
    ("hooks that were chosen replace the default", "    if own is None:", "    if not own:"),
    ("a set-up has not run other hooks", "and not running.common and", "and"),
    (
        "a set-up has restarted the daemon",
        "are_pending(found, running):\n            _comp",
        "False:\n            _comp",
    ),
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
        "a set-up that would be refused is not advised",
        "return not served.exposures(served.paths(directory), frozenset({0}))",
        "return True",
    ),
    (
        "nobody is told to restart what a hook restarts",
        "is Purpose.CLIENT or settle.commands(found, running):",
        "is Purpose.CLIENT:",
    ),
    ("files that were renewed may be in use", "len(history.read(place).generations) > 1 or ", ""),
    ("files that a set-up names are in use", "not running.default(place.directory) and ", ""),
    ("a set-up warns if nothing restarts the daemon", "    if is_restarted:", "    if True:"),
    ("the warning names the directory", " + restart.option(place.directory)", ""),
    ("a client has no daemon", "found.record.request.purpose is Purpose.CLIENT or ", ""),
)

_RESTART: Rows = (
    (
        "files with which dockerd would not start are rejected before",
        "credential = served.load(record.certificates, clock())\n        try",
        "try",
    ),
    (
        "a Docker that was stopped is not checked, which would start it",
        "        if not _is_running(allowed, _STOPPING):",
        "        if False:",
    ),
    ("one that has failed is an error", 'if active == "failed":', "if False:"),
    ("one that was uninstalled is an error", "and loaded not in _STARTABLE:", "and False:"),
    ("one that does not come back is an error", "if active in _NOT_STARTED:", "if False:"),
    ("a renewal meanwhile fails no check", "if renewed == credential:", "if True:"),
    ("a restart is waited for", "    while _has_job(allowed):", "    while False:"),
    ("one that is interrupted says so", "    except stop.Stopped:", "    except KeyError:"),
    (
        "a check that fails is repeated without a restart",
        "if before is not None and before.has_led_to(now):",
        "if False:",
    ),
    (
        "`daemon restart` by itself always restarts",
        "records.attempt() if if_needed else None",
        "records.attempt()",
    ),
    ("only a hook has its time", " if if_needed else AllowedTime.by_hand()", ""),
    ("a set-up is proven by a restart", "replace(record, proven=True)", "record"),
    (
        "one that is still starting is waited for",
        "    while active in passing:",
        "    while False:",
    ),
    (
        "since when no CA was lost is noted",
        "records.note(now.following(before))",
        "records.note(now)",
    ),
    ("all the responses of a check have one limit", ", stop.limited(seconds):", ":"),
    (
        "the port of a daemon that lets anyone in is closed",
        "raise _close_port(record, error, allowed) from error\n        renewed",
        "raise\n        renewed",
    ),
    (
        "also if it is not restarted",
        "            _close_port_if_open(record, credential, allowed, clock())\n",
        "",
    ),
    (
        "nor if daemon.json is broken",
        "        except ConfigurationError:",
        "        except ConflictingState:",
    ),
    ("and if the time is over", "max(allowed.left, _LEAST)", "allowed.left"),
    (
        "a restart that systemd refuses is an error of Docker",
        "        raise DockerUnavailable(message, hint=error.hint or _STATUS) from error",
        "        raise",
    ),
    (
        "one that is not closed is not said to be",
        '        message += f"; its port',
        '        f"; its',
    ),
)
_OBSTACLES: Rows = (
    ("TLS is not lost by a restart", "        if values.get(key) != value:", "        if False:"),
    ("nor the check for it", "    if not docker_service.is_guarded():", "    if False:"),
    ("another file is not what was set up", "if configured != record.daemon_json:", "if False:"),
)
_ALLOWED: Rows = (("a hook ends before it is killed", "limit * _SHARE", "limit"),)
_CLOSE: Rows = (
    ("systemd waits for all of it", '{"Type": "oneshot"}', "{}"),
    ("a port that stays open is an error", "                continue", "                pass"),
    ("one that is closed has another error", "    if failure:", "    if False:"),
)
_PROOF: Rows = (
    ("one that fails its check is an error", "    if problems:", "    if False:"),
    (
        "one that accepts other clients, too, fails it",
        "in named - {root.subject for root in served.roots}:",
        "in ():",
    ),
)
_ATTEMPT: Rows = (
    ("a restart that was not begun is made up for", " and self.invocation != now.invocation", ""),
    ("another file has dockerd restarted", "self.files == now.files and ", ""),
    ("the unit is one of the files", "fragment, *drop_ins", "*drop_ins"),
    ("a swap is a change, also to a former certificate", "str(current), ", ""),
    (
        "trust that changed begins anew",
        "if before is not None and before.trusts_like(self.trust):",
        "if before:",
    ),
    ("another type is none of ours", " and is_whole:", ":"),
    ("trust that is not known is not the same", "self.trust is not None and ", ""),
    ("a lost CA changes it", "[str(narrowed), *settings]", "[*settings]"),
    ("so does another link", "[*links, *_id", "[*_id"),
    ("so do the settings", "[str(narrowed), *settings]", "[str(narrowed)]"),
    ("a renewal does not", ", [os.lstat], _MISSING)", ", ignored=_MISSING)"),
)
_UNSEEN: Rows = (
    (
        "files that this user may not look at are not missing",
        "*settings], ignored=_MISSING)",
        "*settings])",
    ),
)
_TESTS = "test_default_hook.py"
TABLE: Table = {
    "daemon/pickup.py of an address": ("daemon/test_address.py", _LISTENS),
    "daemon/pickup.py": ("daemon/test_pickup.py", _PICKUP),
    "credential/settle.py of a host": (_TESTS, _DEFAULT),
    "needs_renewal.py of a host": (_TESTS, _NEEDED),
    "cli/running.py": (_TESTS, _PASSED),
    "cli/previous.py without hooks": (_TESTS, _TAKEN),
    "cli/issue.py": (_TESTS, _ISSUE),
    "cli/settled.py": (_TESTS, _NOTE),
    "daemon/attempt.py of another user": ("daemon/test_runs.py", _UNSEEN),
    "daemon/attempt.py": ("test_restart_states.py daemon/test_attempt.py", _ATTEMPT),
    "restart_daemon.py": ("test_restart_states.py", _RESTART),
    "daemon/restart_obstacles.py": ("test_restart_states.py", _OBSTACLES),
    "daemon/allowed_time.py": ("test_restart_states.py", _ALLOWED),
    "daemon/close_port.py": ("daemon/test_close_port.py", _CLOSE),
    "proof.py": ("test_restart_states.py", _PROOF),
}
