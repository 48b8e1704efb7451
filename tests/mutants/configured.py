"""Promises about the texts that configure a daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_DAEMON_JSON: Rows = (
    ("a duplicate key is refused", "        if member.key in seen:", "        if False:"),
    ("a byte order mark is refused", "if data.startswith(codecs.BOM_UTF8):", "if False:"),
    ("NaN is refused", "JSONDecoder(parse_constant=refuse)", "JSONDecoder()"),
    ("a list is refused", "if not isinstance(value, dict):", "if False:"),
    (
        "a value that is there stays as it is written",
        " and not _same(values[member.key], member.value)",
        "",
    ),
    (
        "true is not 1",
        "json.dumps(one, sort_keys=True) == json.dumps",
        "one == other or json.dumps",
    ),
    ("a comma goes with its key", "yield before.end, each.end", "yield each.start, each.end"),
)
_FLAGS: Rows = (
    ("a repeated flag has the key of its plural", "_KEYS.get(each.name, each.name)", "each.name"),
    ("a value may be behind an equals sign", 'if len(more) > 1 and more[0] == "=":', "if False:"),
    ("a switch does not take the next word", "name in _SWITCHES or ", ""),
    ("-H takes the next word, whatever it is", " and name not in _VALUED", ""),
    ("two hyphens end the flags", '        if word == "--":', "        if False:"),
    ("a boolean is one of strconv.ParseBool", "if self.value not in _TRUTH:", "if False:"),
)
_ENGINE: Rows = (
    ("an answer is bounded in size", "response.read(_LONGEST)", "response.read()"),
    ("each wait is limited", "connection.settimeout(seconds)", "connection.settimeout(None)"),
    ("an answer is limited", "if seconds <= 0:", "if not (seconds := max(seconds, 60)):"),
    ("an error is no answer", "if status != HTTPStatus.OK:", "if False:"),
)
_ENVIRONMENT_FILE: Rows = (
    (
        "of a variable, the last assignment counts",
        "each for each in self.assignments}[",
        "each for each in self.assignments[::-1]}[",
    ),
    (
        "a value that is there stays as it is written",
        "        if found.value != value:",
        "        if True:",
    ),
    (
        "an escape goes on in the next line",
        'return "" if escape[1] in "\\r\\n" else escape[1]',
        "return escape[1]",
    ),
    (
        "a backslash in quotes stays before other characters",
        "if _SPECIAL.match(escape[1]) else escape[0]",
        "",
    ),
    ("invalid names are ignored", "if _VALID.fullmatch(name):", "if True:"),
)
_COMMAND_LINE: Rows = (
    ("a dollar sign may be doubled", 'if found["name"] else "$"', 'if found["name"] else ""'),
    (
        "a word becomes the words of a variable",
        'words(environment.get(name, ""))',
        "words(word)",
    ),
)
_LISTENING: Rows = (
    ("an address of others cannot be dialed", "connection.bind((address, 0))", "pass"),
    ("a socket of others is not that of dockerd", " == (port, user))", "[:1] == (port,))"),
    ("another host may have the address", "return has_address(address) and ", "return "),
    ("every address is one of IPv6, too", '"::": ("::1", "127.0.0.1")', '"::": ("127.0.0.1",)'),
)
_RESTORED: Rows = (
    ("a TCP host of others keeps its TLS", "    if added := tuple(", "    if False and tuple("),
    ("a TCP host of before is named", "for each in back for word in", "for each in () for word in"),
    ("what was there before is restored", " if host not in before", ""),
)
_OPEN: Rows = (
    ("a socket that is closed is not set up", " and current.is_listening and current.is_open", ""),
)
_PASSED_ON: Rows = (
    ("a copy was made at the start", "return started.is_newer(file) and ", "return "),
    ("a copy has the same settings", "_values(file) == _values(of) is not None", "True"),
    ("the hosts are those of systemd", '("hosts", *flags.TLS)', "flags.TLS"),
    (
        "what was edited since counts at the next start",
        "    if any(map(started.is_newer, started.files)):",
        "    if False:",
    ),
)
_BESIDE: Rows = (
    (
        "the hosts of others stay",
        "dict.fromkeys((*hosts(listen), *others))",
        "dict.fromkeys(hosts(listen))",
    ),
)
_DESIRED: Rows = (("the Unix socket is kept", "return [UNIX_SOCKET, *(f", "return [*(f"),)
_PRINTED: Rows = (
    ("clients are verified", '        "--tlsverify",\n', '        "--tls",\n'),
    ("a path of Compose has no variables", '.replace("$", "$$")', ""),
    ("each file of a secret is named", "--from-file={name}={file}", "--from-file={file.parent}"),
    ("the API knows each field", "automountServiceAccountToken", "automountServiceAccountTokens"),
    ("an address is no port of a service", "        if not listen.is_every:", "        if False:"),
    ("a file that exists is kept", "set -eC\n", "set -e\n"),
    ("a Swarm node has no live-restore", "    sed -i /{live_restore}/d", "    true"),
)
_HOSTS: Rows = (
    (
        "tlsverify=false turns TLS on",
        "return is_verify_set or bool(on)",
        "return bool(flags.tlsverify or values.get('tlsverify') or on)",
    ),
    ("without hosts, TLS decides", "if tls else f", "if not tls else f"),
    ("the default port is that without TLS", "_PORT = 2375", "_PORT = 2376"),
    (
        "a host without a scheme is a TCP port, too",
        "not host.startswith(_LOCAL)",
        'host.startswith("tcp:")',
    ),
)
_CLASHES: Rows = (
    ("a TLS flag clashes", "        if flag.name in TLS:\n", "        if False:\n"),
    (
        "without fd:// there is a clash",
        "if not any(map(is_fd, existing.hosts)):",
        "if False:",
    ),
    (
        "hosts clash with -H",
        "(HOSTS if each.name == HOST else each.name, each)",
        "(each.name, each)",
    ),
    ("another certificate in daemon.json clashes", " and value != wanted[key]", " and False"),
    (
        "0.0.0.0 is both families, as in Go",
        "DEFAULT.address if found.host == EVERY_IPV4 else found.host",
        "found.host",
    ),
)
_TAKE_OVER: Rows = (
    ("hosts in two places are refused", "    _refuse_hosts_twice(existing)\n", ""),
    (
        "TLS goes last",
        "sorted(edits, key=lambda each: each[0])",
        "sorted(edits, key=lambda each: not each[0])",
    ),
    (
        "of two settings in a file, the last is edited first",
        "key=lambda each: each.words[0].start, reverse=True",
        "key=lambda each: each.words[0].start",
    ),
    (
        "a package's unit without hosts gets them as flags",
        "    if unit_origin.is_packaged(start.path) and not start.fixed:\n",
        "    if False:\n",
    ),
    ("TLS in two places is refused", "    if len(with_tls) > 1 or", "    if"),
)
_SOURCES: Rows = (
    (
        "a line that systemd reads differently is not edited",
        "    if [spelled[0].lstrip(_PREFIXES), *spelled[1:]] != list(command):\n",
        "    if False:\n",
    ),
    (
        "a variable with specifiers is not edited",
        "if found.start is None or tuple(each.value for each in words) != arguments:",
        "if found.start is None:",
    ),
)
_PLAN: Rows = (
    ("our hosts give way to -H", "in existing.ours and not is_flag else", "in existing.ours else"),
    (
        "the record comes before what it describes",
        "(Keep(host.records, record), *steps)",
        "(*steps, Keep(host.records, record))",
    ),
    ("a removal restarts a dockerd that holds the socket", "current.is_held or bool(", "bool("),
    (
        "a take-over that is refused is not advised",
        '        hint = f"{error.message}; {error.hint}"\n',
        "        del error\n",
    ),
    (
        "what was set up by hand is taken back",
        " if current.by_hand else _original(current)",
        " if False else _original(current)",
    ),
)
_UNDO: Rows = (
    (
        "a file that others broke is put back",
        "    except ConfigurationError:  # others broke the file, which is why it does not run\n",
        "    except KeyError:\n",
    ),
    (
        "an edit of others stays in the set-up before",
        "        if kept != original:\n",
        "        if False:\n",
    ),
    ("a dockerd that does not run is not reloaded", ", can_reload=False)", ")"),
    ("what was set up by hand stays if its check fails", "    if before.by_hand:", "    if False:"),
    ("an edit of others stays in what was set up by hand", "else written\n", "else original\n"),
    (
        "what a killed run had edited is put back",
        "put_back(current.record, current.edited) if current.record else ()",
        "()",
    ),
)
_OBSTACLES: Rows = (
    ("what a killed run has edited is no edit of others", "before.record is None and ", ""),
    ("a removed Docker reads no other file", " and service.command and ", " and "),
    ("a port that dockerd leaves can be used", ", *made.freed)", ",)"),
    ("an address of our own port may be another host's", "port = 0 if is_ours else", "port ="),
    ("a port that systemd does not hold is not ours", "known if held else ()", "known"),
)
_ORDER: Rows = (
    ("a dockerd that cannot be reloaded is not reloaded", "        and current.can_reload\n", ""),
    (
        "a socket that may be an old one is opened anew",
        "is_proven and current.is_open",
        "current.is_open",
    ),
    (
        "flags are moved to daemon.json before it is written",
        "    yield from _editing(edits)\n    if written != target",
        "    if written != target",
    ),
    (
        "a removal closes the socket before dockerd loses TLS",
        "    yield from _without_socket(host, current)\n",
        "",
    ),
)
_FLAG: Rows = (
    (
        "a flag stays a flag",
        "is_flag = current.service.flags.live_restore is not None",
        "is_flag = False",
    ),
)
_UNITS: Rows = (
    ("a socket with other lines is not taken for ours", "if socket(parsed) == text else ()", ""),
    ("a host is guarded by all of our command", "any(wanted == ", "any(wanted[:2] == "),
)
_UNIT_ORIGIN: Rows = (
    ("a copy of our file is not ours", "content.startswith(_OURS", "content.count(_OURS"),
)
_PROGRAM: Rows = (
    ("a program is not sent our Ctrl-C", "start_new_session=True", "start_new_session=False"),
    ("a limit may be longer than poll(2) can count", "min(limit, _LONGEST)", "limit"),
)
_STEPS: Rows = (
    ("a directory of the set-up is removed", "directory.rmdir()", "pass"),
    ("a restart that takes too long is not a failure to start", "hint=error.hint or f", "hint=f"),
    ("without a container, no reload is needed", "elif self.running:", "else:"),
    (
        "a script that runs dockerd gets no SIGHUP",
        "if not docker_service.can_reload():",
        "if False:",
    ),
    ("a removal goes on if live-restore stays on", "        if not self.on:", "        if False:"),
)
_STEPS_OF_HOST: Rows = (
    ("what a killed run had staged is replaced", "os.unlink(staged, dir_fd=within)", "pass"),
    ("a link is followed", "path = self.path.resolve()", "path = self.path"),
    ("a failed write leaves nothing", "atomic.remove(staged, within)", "pass"),
    ("an ACL is kept", "staged, within, attributes)", "staged, within)"),
    ("an edit of others stays", "not in (self.before, self.after):", "is ...:"),
)
_RECORDS: Rows = (
    (
        "a damaged daemon.json.written is noticed",
        "InvalidInput, ConfigurationError,",
        "InvalidInput,",
    ),
    ("a removal begins with the record", "os.unlink(pickup.NAME, dir_fd=within)", "pass"),
    (
        "only root reads the files",
        "atomic.directory(place, _PRIVATE,",
        "atomic.directory(place, 0o755,",
    ),
    (
        "a missing original is noticed",
        'raise ValueError("a file is missing") from None',
        "yield lambda _: b''",
    ),
    (
        "a kill leaves no mixture of two records",
        "place = second if _place_of_now(within) == first else first",
        "place = first",
    ),
)
_ORIGINALS: Rows = (
    ("what others have changed since stays", "return value == added or", "return True or"),
    ("live-restore is taken back after a kill, too", "(key == LIVE_RESTORE and", "(False and"),
    (
        "the first original of a file is kept",
        "known.original if known and known.is_known(edit.before) else edit.before",
        "edit.before",
    ),
    (
        "what an upgrade brought is what there was before",
        "known.original if known and known.is_known(edit.before) else edit.before",
        "known.original if known else edit.before",
    ),
    ("what an upgrade replaced is not put back", "== each.written != each", "!= each"),
    (
        "what others edited is not edited again",
        "        _refuse_changed(record, {edit",
        "        repr({edit",
    ),
    (
        "our hosts are removed from those of others",
        "        if hosts is not None:\n",
        "        if False:\n",
    ),
    (
        "the hosts of before are put back",
        "in before if each not in ours",
        "in () if each not in ours",
    ),
)
_DOCKER_SERVICE: Rows = (
    ("a daemon on TCP only is refused", "if service.is_running and not expected:", "if False:"),
    ("systemd names the socket of fd://", "handed = streams() if", "handed = () if"),
)
_SERVED: Rows = (
    (
        "a file that is not there yet may be created",
        "with suppress(FileNotFoundError), walk",
        "with walk",
    ),
    ("an owner counts as a writer", "if status.st_uid not in trust.users:", "if False:"),
    ("where a link leads to counts, too", "(path.parent, real.parent)", "(path.parent,)"),
    ("an expired certificate is refused", "if leaf.not_valid_after_utc <= now:", "if False:"),
    (
        "a certificate for clients, too, is refused",
        "if usage.result is not Result.OK:",
        "if False:",
    ),
    ("a key of another certificate is refused", "if not is_key_of(key, leaf):", "if False:"),
)
_DISTRUSTED: Rows = (
    (
        "a CA that the new ca.pem lacks is named",
        "verify.untrusted(trusted, served.roots, now)",
        "()",
    ),
    (
        "a file that cannot be read is no obstacle",
        "    if isinstance(trusted, str):\n        return Distrusted()\n",
        "",
    ),
)
_SIGNALS: Rows = (
    ("a process that changes a host is not killed", "elif self._stop.kept:", "elif False:"),
)
_UNREAD: Rows = (
    ("an edit of ours counts at once", "if content not in ours.get(path, ()):", "if True:"),
    (
        "a variable of others counts",
        "if unit_files[unit] in ours.get(unit, ()) and each.start is not None:",
        "if each.start is not None:",
    ),
    (
        "a later variable of others counts",
        "for each, unit in last.values():",
        "for unit, _, each in _variables(unit_files):",
    ),
    ("our drop-in may be gone", "if Path(path) != systemd.UNITS / units.DROP_IN]", "]"),
)
_CONFIGURE: Rows = (
    (
        "a container that starts during the set-up is not stopped",
        "    _refuse_new(latest.fleeting if latest.live_restore else latest.running, made.stops)\n",
        "",
    ),
    (
        "a container that nobody agreed to stop runs on",
        "if new := tuple(each for each in stops if each not in known):",
        "if new := ():",
    ),
    ("what is applied is the plan of now", "made = change.make()", "made = change.plan"),
)
_TRANSACTION: Rows = (
    ("a request to stop ends it after the step", "        stop.check()\n", ""),
    (
        "what is not complete is a set-up, or its removal",
        "if made.record is None else",
        "if ... else",
    ),
    ("what is done is not left", "            del left[0]", "            break"),
    ("a dockerd that is stopped says why", "    if not _stopped():", "    if True:"),
)
_TRIAL: Rows = (("two trials do not meet", "name = file.parent.name", 'name = "trial"'),)
_CONFIGURE_FILE: Rows = (
    (
        "a set-up under systemd stays without it",
        "if record is not None and record.pickup is Pickup.RESTART:",
        "if False:",
    ),
)
TABLE: Table = {
    "configure.py": ("test_configure_consent.py", _CONFIGURE),
    "daemon/transaction.py": ("test_configure_stopped.py", _TRANSACTION),
    "configure_file.py": ("test_configure_file.py", _CONFIGURE_FILE),
    "daemon/trial.py": ("daemon/test_trial.py", _TRIAL),
    "cli/signals.py": ("cli/test_signals.py", _SIGNALS),
    "daemon/records.py": ("daemon/test_records.py", _RECORDS),
    "daemon/originals.py": ("daemon/test_originals.py", _ORIGINALS),
    "daemon/plan.py of a socket": ("daemon/test_plan.py", _OPEN),
    "daemon/passed_on.py": ("daemon/test_passed_on.py", _PASSED_ON),
    "daemon/restored.py of hosts": ("daemon/test_restored.py", _RESTORED),
    "daemon/plan.py without systemd": ("test_configure_file.py", _BESIDE),
    "daemon/docker_service.py": ("daemon/test_docker_service.py", _DOCKER_SERVICE),
    "daemon/distrusted.py": ("daemon/test_distrusted.py", _DISTRUSTED),
    "daemon/served.py": ("daemon/test_served.py", _SERVED),
    "daemon/desired.py": ("daemon/test_printed.py", _DESIRED),
    "host/listening.py": ("host/test_listening.py", _LISTENING),
    "daemon/plan.py": ("daemon/test_plan.py", _PLAN),
    "daemon/obstacles.py": ("daemon/test_obstacles.py", _OBSTACLES),
    "daemon/undo.py": ("daemon/test_undo.py", _UNDO),
    "daemon/order.py": ("daemon/test_order.py", _ORDER),
    "daemon/order.py of a removal": ("daemon/test_plan.py", _FLAG),
    "daemon/units.py": ("daemon/test_units.py", _UNITS),
    "host/unit_origin.py": ("host/test_unit_origin.py", _UNIT_ORIGIN),
    "host/program.py": ("host/test_program.py", _PROGRAM),
    "daemon/steps.py": ("daemon/test_steps.py", _STEPS),
    "host/steps.py": ("host/test_steps.py", _STEPS_OF_HOST),
    "daemon/printed.py": ("daemon/test_printed.py", _PRINTED),
    "docker/daemon_json.py": ("docker/test_daemon_json.py", _DAEMON_JSON),
    "docker/hosts.py": ("docker/test_hosts.py", _HOSTS),
    "daemon/clashes.py": ("daemon/test_clashes.py", _CLASHES),
    "daemon/take_over.py": ("daemon/test_take_over.py", _TAKE_OVER),
    "daemon/sources.py": ("daemon/test_take_over.py", _SOURCES),
    "daemon/sources.py of systemd": ("daemon/test_sources.py", _UNREAD),
    "docker/flags.py": ("docker/test_flags.py", _FLAGS),
    "docker/engine.py": ("docker/test_engine.py", _ENGINE),
    "host/environment_file.py": ("host/test_environment_file.py", _ENVIRONMENT_FILE),
    "host/command_line.py": ("host/test_command_line.py", _COMMAND_LINE),
}
