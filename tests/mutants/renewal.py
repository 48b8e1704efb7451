"""The table for renewals: of many credentials in one run, and in one process for days."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_MOUNTS: Rows = (
    (
        "an unreachable Vault costs one timeout",
        "            self._failures.append(failure)\n",
        "",
    ),
    (
        "a denied login does not prevent reads",
        "if with_token or isinstance(failure, _UNAVAILABLE):",
        "if True:",
    ),
    (
        "a denied login is not repeated",
        "if with_token or isinstance(failure, _UNAVAILABLE):",
        "if isinstance(failure, _UNAVAILABLE):",
    ),
    ("each mount is read once", "        if path not in self._opened:\n", "        if True:\n"),
    ("a run needs one connection", "            mount.issuers()\n", "            pass\n"),
)
_RENEW: Rows = (
    (
        "no daemon is restarted with damaged files",
        "    if error is not None and (found.damage or damage):\n",
        "    if False:\n",
    ),
    (
        "pending hooks run although the renewal failed",
        "    if error is not None and (found.damage or damage):\n",
        "    if error is not None:\n",
    ),
)
_CHANGES: Rows = (
    (
        "a name that a role now refuses is a warning",
        "if refused := [name for name in lost if name in issued.dropped_names]:",
        "if refused := []:",
    ),
    (
        "a lost name of the machine is a warning",
        "if gone := [name for name in lost if name not in refused]:",
        "if False:",
    ),
    (
        "a key that cannot be reused is a warning",
        "        if record.reuse_key:\n",
        "        if False:\n",
    ),
)
_REASONS: Rows = (
    (
        "a certificate whose root is gone is renewed",
        "if not _has_root(",
        "if False and not _has_root(",
    ),
)
_LEASES: Rows = (("a lease is no reason to renew", "and not (due and due.leased):", "and True:"),)
_BESIDE: Rows = (
    ("a renewal undoes no other change", "if successor_of not in (None, before):", "if False:"),
)
_DISK: Rows = (
    (
        "a full disk leaves no unused generation",
        "if generations.in_use(places.private, places.generations) != name:",
        "if False:",
    ),
)
_SETTLED: Rows = (
    (
        "a renewal is reported even if its hooks cannot be recorded",
        "except DockerTLSError as error:  # what was installed stays installed",
        "except KeyError as error:",
    ),
)
_PLACE: Rows = (
    ("the group of the key is kept", "uid=uid, gid=asked.gid)", "uid=uid)"),
    ("the owner of the files is kept", "uid=uid, gid=asked.gid)", "gid=asked.gid)"),
)
_WORKER: Rows = (
    (
        "root writes as the owner of the directory",
        "uid=place.uid if worker == os.geteuid() else worker",
        "uid=place.uid",
    ),
)
_PKI: Rows = (
    (
        "a mount that is gone is not a token that was rejected",
        '            return self._reader.get(f"/v1/{self.mount}/{path}")\n        except Denied:',
        '            return self._reader.get(f"/v1/{self.mount}/{path}")\n        except KeyError:',
    ),
)
_WATCH: Rows = (
    (
        "what goes wrong in a round does not end it",
        "return now  # as in the",
        "raise  # as in the",
    ),
    ("it asks Vault every hour", "_Interval(now, LOOK)", "_Interval(now, 24 * LOOK)"),
    (
        "a clock that was set back delays nothing",
        "return not self.start <= now < self.start + self.length",
        "return now >= self.start + self.length",
    ),
    (
        "Vault is asked again soon after an outage",
        "if not all(each.vault_asked or each.error for each in done):",
        "if False:",
    ),
    ("pauses after failures grow", "        self._failures += 1\n", ""),
    ("pauses are bounded", "            _LONGEST_PAUSE,\n", ""),
    ("pauses are jittered", "pause * (0.5 + self._random() / 2)", "pause"),
    (
        "what is still due is not renewed without end",
        "if failed or stuck:",
        "if failed:",
    ),
    ("a failing credential delays no other", "if directory not in held and", "if not held and"),
    (
        "a short-lived certificate is tried more often",
        "(each.valid_until - each.renewal_due) * _SHARE",
        "_LONGEST_PAUSE",
    ),
    (
        "an invalid setting ends it at the start",
        "            if starts:\n",
        "            if False:\n",
    ),
    ("pending hooks wait for their window", "pending.waiting_until or now", "now"),
)
_BAR: Rows = (
    ("a few renewals have no bar", "total >= _A_HANDFUL and", "True and"),
    (
        "no bar in a log",
        "_A_HANDFUL and streams.is_styled(sys.stderr) and not",
        "_A_HANDFUL and not",
    ),
    (
        "--quiet suppresses the bar",
        "streams.is_styled(sys.stderr) and not preferences.quiet\n    return ProgressBar",
        "streams.is_styled(sys.stderr)\n    return ProgressBar",
    ),
    (
        "hooks do not print into the bar",
        "        self._progress.stop()\n\n\ndef progress_bar",
        "        pass\n\n\ndef progress_bar",
    ),
)

_NEEDS_RENEWAL: Rows = (
    ("damage needs a renewal", "    if shown.damage:\n", "    if False:\n"),
    ("what is not known needs a renewal", "    if shown.due is None:\n", "    if not shown:\n"),
    (
        "hooks that ran are not pending",
        "if shown.last_run.completed == shown.generation:",
        "if False:",
    ),
    ("hooks of all credentials count", " or any(map(reading.executables, host.hooks))", ""),
    ("hooks wait for their window", "    if opens is None:\n", "    if True:\n"),
    (
        "one credential that needs a renewal is enough",
        "(Need.NEEDED, Need.ERROR, Need.MISSING, Need.NOT_DUE)",
        "(Need.ERROR, Need.MISSING, Need.NOT_DUE, Need.NEEDED)",
    ),
    ("Vault is asked every hour", "< LOOK:", "< 24 * LOOK:"),
    (
        "the clock may have been set back",
        "if timedelta() <= now - at < LOOK:",
        "if now - at < LOOK:",
    ),
    (
        "what may not be read is an error",
        "        Need.ERROR,\n        path,",
        "        Need.MISSING,\n        path,",
    ),
)
_TICK: Rows = (
    ("other options are for the program", "if not all(map(_is_plain, directories)):", "if False:"),
    (
        "an error is for the program",
        "any(answer.need is Need.ERROR for answer in answers)",
        "False",
    ),
    (
        "a configuration file may name the state directory",
        "if not given and any(map(_may_say, places.config_files(environ))):",
        "if False:",
    ),
    ("-q suppresses the reason", "if len(directories) == len(arguments) and", "if True and"),
)
_SELECTION: Rows = (
    (
        "a renewal of one directory does not count for the others",
        "if not self.named and done.renewals",
        "if done.renewals",
    ),
    ("Vault must have answered", " and done.vault_asked:", ":"),
)
_STAYS: Rows = (
    ("a signal ends it with status 0", "with suppress(stop.Stopped), signals", "with signals"),
    (
        "a health file that cannot be written later is not",
        "            if not self._written:\n",
        "            if True:\n",
    ),
    ("`needs-renewal` knows when it asked Vault", "            _note_look(selection, done)\n", ""),
)
_SUPERVISOR: Rows = (
    ("abstract sockets are reached", "address.startswith(_ABSTRACT)", "False"),
    ("a watchdog of another process is ignored", 'environ.get("WATCHDOG_PID"', 'environ.get("X"'),
)

_END_DATE: Rows = (
    ("an end date is a reason to renew", "        *causes.of_end_date(found.due, now),\n", ""),
    (
        "the CAs of the request are compared, too",
        "also_trusted.bundle(bundle, record.also_trusted, now)",
        "bundle",
    ),
)
_TRUST_ONLY: Rows = (
    (
        "a new ca.pem has its own end date",
        "due=due._replace(trusted_until=also_trusted.first_end(trusted, roots, also)),",
        "due=due,",
    ),
    ("a removed CA stays removed", "also_trusted=also_trusted.as_installed(also, now))", ")"),
)
_AFTER_ROLLBACK: Rows = (
    (
        "a rollback to another CA is found again at its end date",
        "    temporary = () if in_use is None else current(in_use.temporary, now)\n",
        "    temporary = ()\n",
    ),
)
_CONTENTS: Rows = (
    (
        "an intermediate that is also trusted leaves ca.pem",
        "if ca in also or is_self_signed(ca))",
        "if is_self_signed(ca))",
    ),
)
_TICK_TRUST: Rows = (
    (
        "a tick sees the end date",
        "schedule.why_due(now) or shown.due.why_trust_ends(now)",
        "schedule.why_due(now)",
    ),
)
_WATCHED: Rows = (("`watch` wakes at the end date", "max(found.due.next, now)", "schedule.due"),)
_ISSUED_TRUST: Rows = (
    (
        "no certificate is accepted for an also-trusted CA",
        "roots=(*own_roots, *trusted_roots),",
        "roots=(*own_roots, *trusted_roots, *(each.ca for each in record.also_trusted)),",
    ),
)
_TRIAL: Rows = (
    (
        "the credential is the one that dockerd uses",
        "    if directory is None:",
        "    if not known:",
    ),
    ("this host is one line", "for each in found if not each.is_this_host)", "for each in found)"),
    ("an end date that has passed is no promise", "if now < accepted.until:", "if True:"),
    ("only who was rejected starts over", "elif found.verdict is Verdict.REJECTED:", "else:"),
    ("the set-up restarts dockerd", "if of(str(state), str(each)) is Pickup.RESTART", "if False"),
)
_USELESS: Rows = (
    ("a CA that may not sign is refused", "if not _may_sign(also.ca):", "if False:"),
    ("so is one for the other end only", "if usages and not usages &", "if False and usages &"),
    ("so is one with an unknown extension", "return extension.critical and", "return False and"),
    ("so is one that is valid too late", "also.until <= also.ca.not_valid_before_utc", "False"),
)
_NAMESAKES: Rows = (
    (
        "a root that was issued again is no namesake",
        " and public_key_der(ca.public_key()) not in keys",
        " and ca not in known",
    ),
    ("nor is a CA with another name", "if ca.subject in names and", "if"),
)
_OVERDUE: Rows = (
    (
        "a CA that should have been removed is a warning",
        "if each.ca in trusted and each.until <= now]",
        "if False]",
    ),
    ("one that was removed is not", "if each.ca in trusted and", "if"),
)
_TIMERS: Rows = (
    (
        "an end date that nothing enforces is a warning",
        "os.geteuid() == 0 and timer.runs()",
        "os.geteuid() == 0",
    ),
    ("a timer enforces it", "not cas or (os.geteuid() == 0 and timer.runs())", "not cas"),
)
_ALIKE: Rows = (
    ("a CA with the name of Vault's is a warning", "return (*alike, ", "return (*(), "),
    (
        "nor is one for a client",
        "    if result.purpose is not Purpose.SERVER:\n        return ()\n    alike",
        "    alike",
    ),
)
_VERDICT: Rows = (
    (
        "a CA with the name of Vault's is not taken for it",
        "    origins |= dict.fromkeys(unclear, Origin.AMBIGUOUS)\n",
        "",
    ),
    ("nor is one that only the daemon has", "if count > expected[name]", "if False"),
    ("nor is one that only a file has", "& (often | others)", "& often"),
    (
        "nobody is said only if the daemon accepts only Vault's CAs",
        "    if not _only_vaults(accepts):\n        return",
        "    if False:\n        return",
    ),
    (
        "nobody is said only if nobody was rejected",
        "if any(each.reason.is_about_trust and not each.is_this_host for",
        "if any(False for",
    ),
    (
        "this host is no other host, whichever of its addresses it comes from",
        "is_ours = identity.has_address(rejection.address)",
        'is_ours = rejection.address == "127.0.0.1"',
    ),
    ("nobody is said only if no line was suppressed", " and not log.suppressed and", " and"),
    (
        "nobody is said only if the log reaches back to the start",
        "is_whole = log.has_start and",
        "is_whole =",
    ),
    ("nobody is said only if the times are right", " and not log.is_set_back\n", "\n"),
    ("nobody is said only if each run is known", " and not counted.unread", ""),
    ("nobody is said only if no burst may hide lines", " and not log.is_flooded and", " and"),
    (
        "a log without our connection proves nothing",
        "counted is None or not shows_us:",
        "counted is None:",
    ),
    ("nor does one with an earlier client at our port", " if at >= now)", ")"),
    ("it may be logged a moment later", "if time.monotonic() > deadline:", "if True:"),
    ("the daemon is asked where it listens", 'addresses or ["localhost"]', '["localhost"]'),
)
_RUNS: Rows = (
    (
        "a daemon that may have accepted more does not count",
        "if last.trusts_like(attempt.trust(ca, daemon_json, _LIMIT)) else",
        "if True else",
    ),
    (
        "one that was not restarted is the present one",
        "None if after == present else after",
        "after",
    ),
    ("who may not look hears that", "    _refuse_unseen(directory)\n", ""),
    (
        "in any layout",
        "for place in (directory, directory / Purpose.SERVER):",
        "for place in (directory,):",
    ),
)
_JOURNAL: Rows = (
    ("a line is one of journalctl", 'printed.split("\\n")', "printed.splitlines()"),
    (
        "suppressed lines are counted",
        "sum(entry.dropped for entry in entries if entry.kind == _DROPPED)",
        "0",
    ),
    ("also in a run that is not known", " - {_NO_RUN}", ""),
    (
        "the log begins with the start of the first run",
        "next(starts, entries[0].at)",
        "entries[0].at",
    ),
    (
        "a log that has lost its start is incomplete",
        "chosen, any(entry.kind == _STARTED for entry in chosen)",
        "chosen, True",
    ),
    (
        "so is one that does not reach back to the run before",
        "chosen, runs.after in of and runs.present not in earlier",
        "chosen, True",
    ),
    ("an earlier run does not count", "{runs.after, *of[:begin]}", "{runs.after}"),
    ("nor what it logs late", " if entry.run not in earlier]", "]"),
    ("a clock that was set back is noticed", "later.at < entry.at - _STEP", "False"),
    ("so is an earlier boot", "len(boots) > len(set(boots)) or ", ""),
    (
        "labels of a container are not systemd's fields",
        "str(kept.get(_OWN_RUN)), boot",
        "str(kept.get(_RUN)), boot",
    ),
    ("a container is not the daemon", "if _OF_CONTAINER in kept or ", "if "),
    ("nor is it with syslog", 'kept.get("_TRANSPORT") == _SYSLOG', "False"),
    ("another name is not the daemon's", " if entry.writer == identifier]", " if entry.writer]"),
    (
        "no line of the present daemon is no log",
        "if not any(entry.run == runs.present for entry in own):",
        "if not own:",
    ),
)
_RESTORED: Rows = (
    ("a flag in effect is no obstacle", " - _flags(edit, edit.before)", ""),
    ("nor is a file that is there", "if not Path(file).exists()", "if True"),
    ("daemon.json names files, too", "(*named, (configuration.path, back))", "named"),
)
_OLD_KEYS: Rows = (
    ("a link is not a key of before", "reading.read(path, follow=False)", "reading.read(path)"),
    (
        "backups have keys, too",
        "(directory, *_entries(directory / PRIVATE / backup.DIRECTORY, unread))",
        "(directory,)",
    ),
    ("what only root may read is named", "        unread.add(path)\n", "        pass\n"),
    ("so is a directory", "        unread.add(directory)\n", "        pass\n"),
)
TABLE: Table = {
    "clients.py": ("test_clients.py", _VERDICT),
    "cli/daemon_clients.py": ("test_clients.py", _TRIAL),
    "daemon/examination/certificates.py at an end date": (
        "daemon/examination/test_certificates.py",
        _OVERDUE,
    ),
    "certificate/also_trusted.py of a CA without a use": (
        "certificate/test_also_trusted.py",
        _USELESS,
    ),
    "certificate/also_trusted.py of a namesake": (
        "certificate/test_also_trusted.py",
        _NAMESAKES,
    ),
    "cli/timer.py at an end date": ("test_also_trust.py", _TIMERS),
    "cli/issue.py of a CA alike": ("test_also_trust.py", _ALIKE),
    "daemon/runs.py": ("daemon/test_runs.py", _RUNS),
    "host/journal.py": ("host/test_journal.py", _JOURNAL),
    "daemon/restored.py": ("daemon/test_restored.py", _RESTORED),
    "daemon/old_keys.py": ("daemon/test_old_keys.py", _OLD_KEYS),
    "renewal/reasons.py at an end date": ("test_also_trust.py", _END_DATE),
    "renewal/replacement.py at an end date": ("test_also_trust.py", _TRUST_ONLY),
    "renew.py after a rollback": ("test_also_trust.py", _AFTER_ROLLBACK),
    "credential/contents.py with another CA": ("test_also_trust.py", _CONTENTS),
    "needs_renewal.py at an end date": ("test_also_trust.py", _TICK_TRUST),
    "watch.py at an end date": ("test_also_trust.py", _WATCHED),
    "issue.py with another CA": ("test_also_trust.py", _ISSUED_TRUST),
    "needs_renewal.py": ("test_needs_renewal.py", _NEEDS_RENEWAL),
    "cli/tick.py": ("cli/test_needs_renewal.py", _TICK),
    "renew_all.py": ("test_needs_renewal.py", _SELECTION),
    "renewal/reasons.py after a change": ("test_renew_changes.py", _REASONS),
    "renewal/replacement.py after a change": ("test_renew_changes.py", _CHANGES),
    "renewal/reasons.py with leases": ("test_renew_all.py", _LEASES),
    "credential/store.py beside another run": ("test_renew_beside.py", _BESIDE),
    "credential/store.py on a full disk": ("test_renew_disk.py", _DISK),
    "renew.py on a full disk": ("test_renew_disk.py", _SETTLED),
    "credential/record.py again": ("test_renew.py", _PLACE),
    "credential/condition.py again": ("test_renew.py", _WORKER),
    "vault/pki.py of a mount that is gone": ("test_renew_changes.py", _PKI),
    "renewal/mounts.py": ("test_renew_all.py", _MOUNTS),
    "cli/render.py of many": ("cli/test_renew.py", _BAR),
    "cli/watch.py": ("cli/test_watch.py", _STAYS),
    "host/supervisor.py": ("host/test_supervisor.py", _SUPERVISOR),
    "watch.py": ("test_watch.py", _WATCH),
    "renew.py in a run": ("test_renew_all.py", _RENEW),
}
