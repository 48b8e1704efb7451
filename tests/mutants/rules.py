"""The table: each promise, and the change that breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import files, login
from .mutant import Mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mutant import Rows as _Rows
    from .mutant import Table

_VERIFY: _Rows = (
    ("the key is ours", "if leaf.public_key() != public_key:", "if False:"),
    ("an EKU there must be", "    if not found:\n        yield", "    if False:\n        yield"),
    ("exactly one EKU", "elif found != {wanted}:", "elif wanted not in found:"),
    ("no CA is installed", "    if _is_ca(leaf):\n", "    if False:\n"),
    ("it may sign a handshake", "not usage.digital_signature", "False"),
    ("it signs no certificates", "usage.key_cert_sign or usage.crl_sign", "usage.crl_sign"),
    ("it signs no CRLs", "usage.key_cert_sign or usage.crl_sign", "usage.key_cert_sign"),
    ("every name requested", "        if (name, kind) not in has:", "        if False:"),
    ("no name besides", "        if (name, kind) not in asked:", "        if False:"),
    (
        "no URI, no mail address",
        "if not isinstance(name, x509.DNSName |",
        "if False and (x509.DNSName |",
    ),
    ("the common name", "    if common_names != wanted:", "    if False:"),
    ("valid by now", "if clocks.agreed < leaf.not_valid_before_utc:", "if False:"),
    ("not expired", "if leaf.not_valid_after_utc < clocks.agreed:", "if False:"),
    ("no longer than requested", "leaf.not_valid_after_utc > clocks.latest + ttl", "False"),
    ("all that is wrong at once", "problems += error.problems", "problems = [*error.problems]"),
    ("only roots are trusted", "if is_self_signed(certificate)\n", "if True\n"),
    ("only CAs are roots", "        and _is_ca(certificate)\n", ""),
    (
        "no expired root",
        "and now <= certificate.not_valid_after_utc\n    )\n\n\ndef extended",
        ")\n\n\ndef extended",
    ),
)
_CHAIN: _Rows = (
    ("valid at the time", "        .time(at)\n", ""),
    ("keyCertSign", "if usage is not None and not usage.key_cert_sign:", "if False:"),
    ("a CA's kind of key", "if not is_web_pki_key(ca.public_key()):", "if False:"),
    ("EKUs nest", "if usages is not None and not wanted & set(usages):", "if False:"),
    ("anyExtendedKeyUsage is any", ", ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}", "}"),
    ("only known constraints", "        if kinds:\n", "        if False:\n"),
    (
        "never critical",
        "never = verification.Criticality.NON_CRITICAL",
        "never = verification.Criticality.AGNOSTIC",
    ),
    (
        "a critical SAN that Go reads",
        "if certificate.extensions.get_extension_for_oid(san.oid).critical:",
        "if False:",
    ),
    (
        "no policy constraints",
        "        certificate.extensions.get_extension_for_class(x509.PolicyConstraints)\n",
        "        return\n",
    ),
    (
        "a CA says so",
        ".require_present(x509.BasicConstraints,",
        ".may_be_present(x509.BasicConstraints,",
    ),
    ("only the bundle's roots", "if not is_self_signed(certificate)]", "if True]"),
    (
        "the path that lasts longest",
        "    found = _first_chain(leaf,",
        "    return _first_chain(leaf,",
    ),
    ("valid until the first ends", "return min(path, key=", "return max(path, key="),
)
_CLOCKS: _Rows = (
    (
        "five minutes, and no more",
        "CLOCK_TOLERANCE = timedelta(minutes=5)",
        "CLOCK_TOLERANCE = timedelta(minutes=6)",
    ),
    (
        "a minute within a cluster",
        "_CLUSTER_TOLERANCE = timedelta(seconds=60)",
        "_CLUSTER_TOLERANCE = timedelta(0)",
    ),
    (
        "a Vault that lies gains five",
        "min(max(self.vaults, self.now - CLOCK_TOLERANCE), self.now + CLOCK_TOLERANCE)",
        "self.vaults",
    ),
    (
        "the TTL is bound",
        "return min(latest + _CLUSTER_TOLERANCE, self.now + CLOCK_TOLERANCE)",
        "return latest + _CLUSTER_TOLERANCE",
    ),
)
_STORE: _Rows = (
    (
        "looked at again under the lock",
        "        foreign = check(placement, replace=replace)",
        "        foreign = check(placement, replace=True)",
    ),
    (
        "the one in use until now stays",
        "spared = {name} if before is None else {name, before}",
        "spared = {name}",
    ),
    ("a key is 0400", "KEY_MODE = 0o400", "KEY_MODE = 0o440"),
    ("with a group 0440", "KEY_MODE_WITH_GROUP = 0o440", "KEY_MODE_WITH_GROUP = 0o444"),
    ("certificates are 0444", "CERTIFICATE_MODE = 0o444", "CERTIFICATE_MODE = 0o644"),
    (
        "the key is the group's",
        "(atomic.KEEP, atomic.KEEP, placement.gid)",
        "(atomic.KEEP, atomic.KEEP, atomic.KEEP)",
    ),
    ("files of others are kept", "        if foreign:\n", "        if False:\n"),
    (
        "prepared where nobody looks",
        "with atomic.directory(name, DIRECTORY_MODE, places.staging) as place:\n        for",
        "with atomic.directory(name, DIRECTORY_MODE, places.generations) as place:\n        for",
    ),
)
_SYNCS: _Rows = (
    (
        "a generation's directory",
        "uid=placement.uid, gid=gid)\n        os.fsync(place)\n",
        "uid=placement.uid, gid=gid)\n",
    ),
    ("the directory of current", "        os.fsync(places.private)\n", "        pass\n"),
    ("the directory of the links", "places.staging)\n    os.fsync(within)\n", "places.staging)\n"),
)
_PREFLIGHT: _Rows = (
    ("nothing of others is overwritten", "if foreign and not replace:", "if False:"),
    ("nor a credential of another kind", "if kept is not None and kept.kind != kind:", "if False:"),
    (
        "a file has no second name",
        "(stat.S_ISREG(kind) and status.st_nlink <= 1)",
        "stat.S_ISREG(kind)",
    ),
    ("ours is ours alone", "    if status.st_uid != placement.worker:\n", "    if False:\n"),
    ("not in /", 'if reached.path == Path("/") and not reached.remaining:', "if False:"),
    (
        "not beside one of dind's",
        "            if _is_for_dind(purpose, placement.directory, directory):",
        "            if False:",
    ),
)
_GENERATIONS: _Rows = (
    ("three stay", "KEPT = 3", "KEPT = 2"),
    ("a fourth goes", "KEPT = 3", "KEPT = 4"),
    (
        "in use is what is opened",
        "        return os.path.samestat(",
        "        return name in os.readlink(CURRENT, dir_fd=private) and os.path.samestat(",
    ),
    (
        "what is in use is not discarded",
        "        if not _is_current(name, staging, private):",
        "        if True:",
    ),
)
_WORKER: _Rows = (
    (
        "the owner does the work",
        "    return fsuid.as_user(owner, partial(work,",
        "    return (lambda _, do: do())(owner, partial(work,",
    ),
    (
        "no link that others lead",
        "        if not trusted:\n            owner",
        "        if False:\n            owner",
    ),
    (
        "no step of another's",
        "    if not trusted:\n        raise _belongs",
        "    if False:\n        raise _belongs",
    ),
    (
        "the directory itself, sticky or not",
        "if not component.remaining or not kind & stat.S_ISVTX:",
        "if not kind & stat.S_ISVTX:",
    ),
    (
        "a step that others write",
        "    if not found:\n        return\n    remedies",
        "    if True:\n        return\n    remedies",
    ),
    (
        "a group that is the owner's to give",
        "placement.gid not in fsuid.groups(placement.uid)",
        "False",
    ),
)
_RECORD: _Rows = (
    ("a version that we know", 'if kept["version"] != _VERSION:', "if False:"),
    ("a TTL that is a number", "if type(value) is not int or value <= 0:", "if value <= 0:"),
)
_BACKUP: _Rows = (
    (
        "what was in a link's file",
        "    elif _leads_to_a_file(public, directory):",
        "    elif False:",
    ),
    (
        "a link to nothing is kept",
        "        os.symlink(os.readlink(public, dir_fd=directory), name, dir_fd=backup)",
        "        pass",
    ),
)
_READER: _Rows = (
    (
        "paths in which nothing changes",
        "                    return CredentialFiles(*ours)",
        "                    return CredentialFiles(*public)",
    ),
)
_LAYOUT: _Rows = (("only root gives away", "if os.geteuid() not in (0, uid):", "if False:"),)
_ATOMIC: _Rows = (
    (
        "created with at most its mode",
        '& _OWNER_BITS, dir_fd=within)\n    with os.fdopen(descriptor, "wb") as file:\n        _s',
        '| 0o666, dir_fd=within)\n    with os.fdopen(descriptor, "wb") as file:\n        _set',
    ),
    ("whatever the umask", "    os.fchmod(made, mode)\n", ""),
    ("and the default ACL", "    acl.drop(made)\n    if", "    if"),
    ("nothing is followed", "os.O_DIRECTORY | os.O_NOFOLLOW", "os.O_DIRECTORY"),
    (
        "nothing is overwritten",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW",
        "os.O_WRONLY | os.O_CREAT",
    ),
    ("two runs are kept apart", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"),
    (
        "a file system that keeps modes",
        "        stat.S_IMODE(found.st_mode) & _PERMISSION_BITS & ~mode\n",
        "        False\n",
    ),
    ("no FIFO is waited for", "_READ = os.O_RDONLY | os.O_NONBLOCK", "_READ = os.O_RDONLY"),
)
_WRITERS: _Rows = (
    ("anybody", "    if status.st_mode & _WRITE:\n", "    if False:\n"),
    (
        "the mask bounds an ACL",
        "if not entry.permissions & mask & _WRITE:",
        "if not entry.permissions & _WRITE:",
    ),
    ("a group of one alone", "and set(group.gr_mem) <= {user.pw_name}", ""),
    (
        "nobody's first group besides",
        "        and all(other.pw_uid == uid for other in pwd.getpwall() if other.pw_gid == gid)\n",
        "",
    ),
)
_TRANSPORT: _Rows = (
    (
        "no redirect behind our back",
        "            retries=False,\n            redirect=False,\n",
        "",
    ),
    ("an answer of any size", "if len(raw) > LONGEST_BODY:", "if False:"),
)
_TLS: _Rows = (
    (
        "only the given CAs",
        "ssl.create_default_context(cadata=_cas(settings))",
        "ssl.create_default_context(cadata=_cas(settings)); made.load_default_certs()",
    ),
    (
        "a leaf or an intermediate is trusted",
        "made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN",
        "pass",
    ),
    ("names in the SANs alone", "made.hostname_checks_common_name = False", "pass"),
    ("verified unless told not to", "    if settings.skip_verify:\n", "    if True:\n"),
)
_REDIRECT: _Rows = (
    ("never from https to http", 'if found.server.scheme == "http" and not stays:', "if False:"),
    ("not where it is disabled", "    if not follow:\n", "    if False:\n"),
)
_PROXIES: _Rows = (
    (
        "never for loopback",
        'if host == "localhost" or (ip is not None and ip.is_loopback):',
        "if False:",
    ),
    (
        "not for what NO_PROXY lists",
        "or _bypasses(server, settings.no_proxy or",
        'or _bypasses(server, ""and',
    ),
    (
        "a domain means what is below it",
        "host.endswith(f\".{domain.removeprefix('.')}\")",
        "host.endswith(domain)",
    ),
)
_MASKING: _Rows = (
    ("the token", 'call.headers.get("X-Vault-Token"), ', ""),
    ("what was sent", '("secret_id", "jwt", "password", "token")', '("secret_id", "jwt", "token")'),
    ("as a server quotes it", ", *(json.dumps(text)[1:-1] for text in secrets)}", "}"),
)
_CLUSTER: _Rows = (
    (
        "no login twice",
        "            if outcome.sent and not self._repeat:\n",
        "            if False:\n",
    ),
    (
        "a node that answers is asked first",
        "            self._prefer(address)\n        return outcome",
        "            pass\n        return outcome",
    ),
    (
        "a node that hangs gets its share",
        "return min(retry.share(repeats), left / nodes)",
        "return left",
    ),
)
_SENDER: _Rows = (
    ("secrets are masked where they come in", "        answer = mask(answer, call)\n", ""),
    ("whom it redirects to is said", "        self._warn_if_exposed(asked.server)\n", ""),
    (
        "a missing write is waited for only if there was one",
        "if verdict is Verdict.LAGGING and not self._writes.may_be_missing():",
        "if verdict is Verdict.LAGGING:",
    ),
)
_OWN_WRITES: _Rows = (
    (
        "a node that lags is told",
        '        self._index = headers.get("X-Vault-Index", self._index)\n',
        "",
    ),
)
_FAILURES: _Rows = (
    (
        "if in doubt, it was sent",
        "    return not (\n        is_permanent(error)\n",
        "    return False and not (\n        is_permanent(error)\n",
    ),
    (
        "a certificate does not mend itself",
        "isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError))\n        or",
        "False)\n        or",
    ),
)
_DEADLINE: _Rows = (
    (
        "a byte a second is no answer",
        "        if time.monotonic() >= self._deadline:\n",
        "        if False:\n",
    ),
    (
        "the limit is for all of it",
        "super().settimeout(self._left())\n        try:",
        "super().settimeout(60)\n        try:",
    ),
)
_ANSWERS: _Rows = (
    (
        "plaintext is critical",
        '                Result.CRITICAL,\n                f"{engine} answers in plaintext',
        '                Result.WARNING,\n                f"{engine} answers in plaintext',
    ),
    (
        "an alert before it asked is no refusal",
        "case Alerted() if exchange.greeting.asks:",
        "case Alerted():",
    ),
    (
        "a connection that ends is no refusal",
        "        case Closed():\n            return step(\n                Result.UNKNOWN",
        "        case Closed():\n            return step(\n                Result.OK",
    ),
    (
        "a plugin is no TLS",
        "denied_by_plugin=True):\n            return step(\n                Result.CRITICAL,",
        "denied_by_plugin=True):\n            return step(\n                Result.OK,",
    ),
)
_ATTEMPTS: _Rows = (
    (
        "by one and the same server",
        "    if step.result is not Result.OK or (\n        exchange.greeting",
        "    if True or (\n        exchange.greeting",
    ),
    (
        "an impostor is a warning",
        "if step.result is not Result.OK or not attempts.met_an_impostor:",
        "if True:",
    ),
    (
        "judged on the connection that let us in",
        "        if self.known and self.known.greeting.certificate:\n",
        "        if False:\n",
    ),
)
_TRUST: _Rows = (
    (
        "tlsverify without tlscacert",
        "if not named and _is_of_dockerd(plaintext, stranger):",
        "if False:",
    ),
    (
        "clients of public CAs",
        "if too_wide := [name for name in authorities if name in public]:",
        "if too_wide := []:",
    ),
    ("names that cannot be read", "    if unreadable:\n", "    if False:\n"),
    (
        "it requests no certificate",
        "    if not greeting.asks:\n        return _judge_unasked(known)\n",
        '    if not greeting.asks:\n        return step(Result.OK, "")\n',
    ),
)
_SERVER: _Rows = (
    (
        "the name dialled",
        "    if found:\n        return Check.NAME",
        "    if True:\n        return Check.NAME",
    ),
    (
        "an address among the addresses",
        "found = endpoint.host in map(parse_address, description.ip_addresses)",
        "found = endpoint.host in map(parse_address, names)",
    ),
    (
        "a star is one label",
        'return name.partition(".")[2] == pattern[2:]',
        "return name.endswith(pattern[1:])",
    ),
    (
        "what OpenSSL objects to",
        "    if objections:\n        reason",
        "    if False:\n        reason",
    ),
    ("an expired one", "    if left <= timedelta(0):\n", "    if False:\n"),
    ("one that was forgotten", "WARN_AT_SHARE = 1 / 3", "WARN_AT_SHARE = 1 / 30"),
    (
        "a client's too",
        "    if usages & {ExtendedKeyUsageOID.CLIENT_AUTH,",
        "    if False and usages & {ExtendedKeyUsageOID.CLIENT_AUTH,",
    ),
)
_CLIENT: _Rows = (
    ("not a client's", "    if usages and not usages & _CLIENT_USAGES:", "    if False:"),
    ("an expired one", "    if end <= now:\n", "    if False:\n"),
    (
        "a key that is another's",
        "if private_key.public_key() != chain[0].public_key():",
        "if False:",
    ),
)
_SUCCESSOR: _Rows = (
    ("only what dockerd would serve", "if used.not_valid_after_utc <= now:", "if False:"),
    (
        "only one that is newer",
        "newer.not_valid_before_utc > older.not_valid_before_utc and",
        "True and",
    ),
)

# All of vault/http but the raft cluster, which takes a minute for each change.
_HTTP = " ".join(
    f"vault/http/test_{name}.py"
    for name in (
        "cluster",
        "deadline",
        "failures",
        "masking",
        "own_writes",
        "redirect",
        "transport",
        "watch",
    )
)
TABLE: Table = {
    "certificate/verify.py": ("certificate", _VERIFY),
    "certificate/chain.py": ("certificate/test_chain.py", _CHAIN),
    "certificate/clocks.py": ("certificate", _CLOCKS),
    "credential/store.py": (
        "credential/test_store.py credential/test_backup.py credential/test_preflight.py",
        _STORE,
    ),
    "credential/store.py syncs": ("credential/test_store_kills.py", _SYNCS),
    "credential/preflight.py": ("credential", _PREFLIGHT),
    "credential/generations.py": (
        "credential/test_generations.py credential/test_store.py",
        _GENERATIONS,
    ),
    "credential/worker.py": ("credential/test_worker.py credential/test_preflight.py", _WORKER),
    "credential/record.py": ("credential/test_record.py", _RECORD),
    "credential/backup.py": ("credential/test_backup.py", _BACKUP),
    "credential/reader.py": ("credential/test_store.py", _READER),
    "credential/layout.py": ("credential files", _LAYOUT),
    "files/atomic.py": ("files/test_atomic.py credential", _ATOMIC),
    "files/writers.py": ("files/test_writers.py", _WRITERS),
    "vault/http/transport.py": (f"{_HTTP} vault/test_as_bao.py", _TRANSPORT),
    "vault/http/tls.py": ("vault/http/test_transport.py vault/test_as_bao.py", _TLS),
    "vault/http/redirect.py": ("vault/http/test_redirect.py", _REDIRECT),
    "vault/http/proxies.py": ("vault/test_as_bao.py", _PROXIES),
    "vault/http/masking.py": ("vault/http/test_masking.py", _MASKING),
    "vault/http/cluster.py": (
        "vault/http/test_cluster.py vault/test_session.py",
        _CLUSTER,
    ),
    "vault/http/sender.py": (f"{_HTTP} vault/test_session.py", _SENDER),
    "vault/http/consistency.py": ("vault/http/test_own_writes.py", _OWN_WRITES),
    "vault/http/failures.py": (
        "vault/http/test_failures.py vault/http/test_cluster.py vault/test_session.py",
        _FAILURES,
    ),
    "vault/http/deadline.py": (_HTTP, _DEADLINE),
    "docker/diagnosis/answers.py": ("docker/diagnosis test_check_impostors.py", _ANSWERS),
    "docker/diagnosis/attempts.py": ("test_check_impostors.py", _ATTEMPTS),
    "docker/diagnosis/trust.py": ("docker/diagnosis", _TRUST),
    "docker/diagnosis/server_certificate.py": ("docker/diagnosis", _SERVER),
    "docker/diagnosis/client_credential.py": ("docker/diagnosis", _CLIENT),
    "docker/diagnosis/successor.py": ("docker/diagnosis", _SUCCESSOR),
}


def mutants() -> Iterator[Mutant]:
    """Return all of the table."""
    for key, (tests, rows) in {**TABLE, **files.TABLE, **login.TABLE}.items():
        file = f"dockertls_vault/{key.partition(' ')[0]}"
        paths = tuple(f"tests/{path}" for path in tests.split())
        for promise, before, after in rows:
            yield Mutant(promise, file, before, after, paths)
