"""The table: each promise, and the change that breaks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    certificate,
    configured,
    doctor,
    files,
    http,
    login,
    renewal,
    restart,
    schedule,
    status,
    timer,
)
from .mutant import Mutant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .mutant import Rows as _Rows
    from .mutant import Table

_VERIFY: _Rows = (
    ("the certificate is for our key", "if leaf.public_key() != public_key:", "if False:"),
    (
        "a missing EKU is rejected",
        "    if not found:\n        yield",
        "    if False:\n        yield",
    ),
    ("another EKU is rejected", "elif found != {wanted}:", "elif wanted not in found:"),
    ("a CA certificate is rejected", "    if is_ca(leaf):\n", "    if False:\n"),
    ("a key that cannot sign a handshake is rejected", "not usage.digital_signature", "False"),
    (
        "a key that may sign certificates is rejected",
        "usage.key_cert_sign or usage.crl_sign",
        "usage.crl_sign",
    ),
    (
        "a key that may sign CRLs is rejected",
        "usage.key_cert_sign or usage.crl_sign",
        "usage.key_cert_sign",
    ),
    ("every name requested is present", "        if (name, kind) not in has:", "        if False:"),
    (
        "a name not requested is rejected",
        "        if (name, kind) not in asked:",
        "        if False:",
    ),
    (
        "a URI or mail address is rejected",
        "if not isinstance(name, x509.DNSName |",
        "if False and (x509.DNSName |",
    ),
    ("another common name is rejected", "    if common_names == wanted:", "    if True:"),
    (
        "a certificate that is not valid yet is rejected",
        "if clocks.agreed < leaf.not_valid_before_utc:",
        "if False:",
    ),
    (
        "an expired certificate is rejected",
        "if leaf.not_valid_after_utc < clocks.agreed:",
        "if False:",
    ),
    (
        "a validity longer than requested is rejected",
        "leaf.not_valid_after_utc > clocks.latest + ttl",
        "False",
    ),
    ("every problem is reported", "problems += error.problems", "problems = [*error.problems]"),
    ("only roots are trusted", "if is_self_signed(certificate)\n", "if True\n"),
    ("only CAs are trusted", "        and is_ca(certificate)\n", ""),
    (
        "an expired root is not trusted",
        "and now <= certificate.not_valid_after_utc\n    )\n\n\ndef unexpired",
        ")\n\n\ndef unexpired",
    ),
)
_CHAIN: _Rows = (
    ("a path is validated at the given time", "        .time(at)\n", ""),
    (
        "a CA without keyCertSign is rejected",
        "if usage is not None and not usage.key_cert_sign:",
        "if False:",
    ),
    (
        "a CA with an unsupported key is rejected",
        "if not is_web_pki_key(ca.public_key()):",
        "if False:",
    ),
    (
        "the EKUs of a CA limit its certificates",
        "if usages is not None and not wanted & set(usages):",
        "if False:",
    ),
    ("anyExtendedKeyUsage permits any EKU", ", ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}", "}"),
    (
        "a name constraint of an unknown type is rejected",
        "        if kinds:\n",
        "        if False:\n",
    ),
    (
        "an extension that must not be critical is rejected if it is",
        "never = verification.Criticality.NON_CRITICAL",
        "never = verification.Criticality.AGNOSTIC",
    ),
    (
        "a critical SAN that Go does not read is rejected",
        "if certificate.extensions.get_extension_for_oid(san.oid).critical:",
        "if False:",
    ),
    (
        "policy constraints are rejected",
        "        certificate.extensions.get_extension_for_class(x509.PolicyConstraints)\n",
        "        return\n",
    ),
    (
        "a CA without basic constraints is rejected",
        ".require_present(x509.BasicConstraints,",
        ".may_be_present(x509.BasicConstraints,",
    ),
    ("only the roots of the bundle are trusted", "if not is_self_signed(certificate)]", "if True]"),
    (
        "the path with the longest validity is chosen",
        "    found = _first_chain(leaf,",
        "    return _first_chain(leaf,",
    ),
    (
        "a chain is valid until its first certificate expires",
        "return min(path, key=",
        "return max(path, key=",
    ),
)
_CLOCKS: _Rows = (
    (
        "clocks may differ by five minutes and no more",
        "CLOCK_TOLERANCE = timedelta(minutes=5)",
        "CLOCK_TOLERANCE = timedelta(minutes=6)",
    ),
    (
        "clocks of a cluster may differ by a minute",
        "_CLUSTER_TOLERANCE = timedelta(seconds=60)",
        "_CLUSTER_TOLERANCE = timedelta(0)",
    ),
    (
        "a false Date header gains at most five minutes",
        "min(max(self.vaults, self.now - CLOCK_TOLERANCE), self.now + CLOCK_TOLERANCE)",
        "self.vaults",
    ),
    (
        "a false Date header does not extend the TTL",
        "return min(latest + _CLUSTER_TOLERANCE, self.now + CLOCK_TOLERANCE)",
        "return latest + _CLUSTER_TOLERANCE",
    ),
)
_STORE: _Rows = (
    ("a lost CA is noted", "return set(before) <= set(after)", "return True"),
    ("one that is added is not", "return set(before) <= set(after)", "return before == after"),
    ("a note that is missing is made", "        os.stat(NARROWED, dir", "        os.stat('.', dir"),
    ("a client has none", "    if not is_server or _keeps", "    if _keeps"),
    (
        "the files are checked again under the lock",
        "        foreign = check(placement, replace=replace)",
        "        foreign = check(placement, replace=True)",
    ),
    (
        "the previous generation is kept",
        "spared = {name} if before is None else {name, before}",
        "spared = {name}",
    ),
    (
        "the key belongs to the group",
        "(atomic.KEEP, atomic.KEEP, placement.gid)",
        "(atomic.KEEP, atomic.KEEP, atomic.KEEP)",
    ),
    ("files of others are kept", "        if foreign:\n", "        if False:\n"),
    (
        "a generation is prepared in the staging directory",
        "with atomic.directory(name, DIRECTORY_MODE, places.staging) as place:\n        for",
        "with atomic.directory(name, DIRECTORY_MODE, places.generations) as place:\n        for",
    ),
)
_SYNCS: _Rows = (
    (
        "a kill leaves no note that no CA was lost",
        "        os.unlink(NARROWED, dir_fd=places.private)\n",
        "",
    ),
    (
        "a generation's directory is synced",
        "uid=placement.uid, gid=gid)\n        os.fsync(place)\n",
        "uid=placement.uid, gid=gid)\n",
    ),
    (
        "the directory of the link current is synced",
        "    try:\n        os.fsync(places.private)\n",
        "    try:\n        pass\n",
    ),
    (
        "the directory of the links is synced",
        "places.staging)\n    os.fsync(within)\n",
        "places.staging)\n",
    ),
)
_PREFLIGHT: _Rows = (
    ("files of others are not overwritten", "if foreign and not replace:", "if False:"),
    (
        "a credential of another kind is not overwritten",
        "if kept is not None and kept.kind != kind:",
        "if False:",
    ),
    (
        "a hard link is not overwritten",
        "stat.S_ISREG(kind) and status.st_nlink <= 1",
        "stat.S_ISREG(kind)",
    ),
    (
        "a directory of another user is rejected",
        "    if status.st_uid != placement.worker:\n",
        "    if False:\n",
    ),
    (
        "a credential in / is rejected",
        'if reached.path == Path("/") and not reached.remaining:',
        "if False:",
    ),
    (
        "a credential next to one of dind's is rejected",
        "            if _is_for_dind(purpose, placement.directory, directory):",
        "            if False:",
    ),
)
_GENERATIONS: _Rows = (
    (
        "the generation in use is the one that is opened",
        "        return os.path.samestat(",
        "        return name in os.readlink(CURRENT, dir_fd=private) and os.path.samestat(",
    ),
)
_RETIREMENT: _Rows = (
    ("three generations are kept", "KEPT = 3", "KEPT = 2"),
    ("a fourth generation is removed", "KEPT = 3", "KEPT = 4"),
    (
        "the generation in use is not discarded",
        "        if not is_current(name, staging, private):",
        "        if True:",
    ),
)
_WORKER: _Rows = (
    ("nothing is imported as the owner", "    names.prepare()", "    pass"),
    (
        "the owner does the work",
        "    return fsuid.as_user(owner, partial(work,",
        "    return (lambda _, do: do())(owner, partial(work,",
    ),
    (
        "a link of another user is not followed",
        "        if not trusted:\n            owner",
        "        if False:\n            owner",
    ),
    (
        "a directory of another user is rejected",
        "    if not trusted:\n        raise _belongs",
        "    if False:\n        raise _belongs",
    ),
    (
        "the sticky bit does not excuse the directory itself",
        "if not component.remaining or not kind & stat.S_ISVTX:",
        "if not kind & stat.S_ISVTX:",
    ),
    (
        "a directory that others can write to is rejected",
        "    if not found:\n        return\n    remedies",
        "    if True:\n        return\n    remedies",
    ),
    (
        "the owner must be a member of the group",
        "placement.gid not in fsuid.groups(placement.uid)",
        "False",
    ),
)
_RECORD: _Rows = (
    ("a record of an unknown version is rejected", 'if kept["version"] != _VERSION:', "if False:"),
    (
        "a TTL that is not a number is rejected",
        "if type(value) is not int or value <= 0:",
        "if value <= 0:",
    ),
)
_BACKUP: _Rows = (
    (
        "the file behind a link is backed up",
        "    elif _leads_to_a_file(public, directory):",
        "    elif False:",
    ),
    (
        "a dangling link is backed up",
        "        os.symlink(os.readlink(public, dir_fd=directory), name, dir_fd=backup)",
        "        pass",
    ),
)
_READER: _Rows = (
    (
        "the paths of a reader do not change",
        "(_in_use(candidate, public) or public)",
        "public",
    ),
    (
        "a swap does not lead a reader to the public names",
        "while (current := link.resolve(strict=True)) != seen:",
        "if (current := link.resolve(strict=True)) != seen:",
    ),
    (
        "root leaves the work to the owner",
        "uid=owner if os.geteuid() == 0 and owner != 0 else atomic.KEEP",
        "uid=atomic.KEEP",
    ),
)
_GLANCE: _Rows = (
    (
        "one of two credentials must be named",
        "if len(found) > 1:",
        "if False:",
    ),
)
_HISTORY: _Rows = (
    (
        "a generation with another key is refused",
        '        if not is_key_of(reading.read(path / "key.pem"), leaf):\n',
        "        if False:\n",
    ),
    (
        "a generation with a corrupt trust bundle is refused",
        '        load_certificates(reading.read(path / "ca.pem"))\n',
        "",
    ),
    ("a corrupt generation is refused", 'return f"it is corrupt: {error}"', "return None"),
    ("the generation in use is marked", "is_used=name == used", "is_used=False"),
)
_LAYOUT: _Rows = (("only root changes the owner", "if os.geteuid() not in (0, uid):", "if False:"),)
_NAMING: _Rows = (
    ("a key is 0400", "KEY_MODE = 0o400", "KEY_MODE = 0o440"),
    ("a key with a group is 0440", "KEY_MODE_WITH_GROUP = 0o440", "KEY_MODE_WITH_GROUP = 0o444"),
    ("certificates are 0444", "CERTIFICATE_MODE = 0o444", "CERTIFICATE_MODE = 0o644"),
)
_ATOMIC: _Rows = (
    (
        "a file is created with at most its mode",
        '& _OWNER_BITS, dir_fd=within)\n    with os.fdopen(descriptor, "wb") as file:\n        _s',
        '| 0o666, dir_fd=within)\n    with os.fdopen(descriptor, "wb") as file:\n        _set',
    ),
    ("the mode does not depend on the umask", "    os.fchmod(made, mode)\n", ""),
    ("a default ACL is not inherited", "    acl.drop(made)\n    if", "    if"),
    (
        "an existing file is not overwritten",
        "os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW",
        "os.O_WRONLY | os.O_CREAT",
    ),
    (
        "two runs exclude each other",
        "fcntl.LOCK_EX | fcntl.LOCK_NB",
        "fcntl.LOCK_SH | fcntl.LOCK_NB",
    ),
    (
        "a file system that ignores modes is rejected",
        "        stat.S_IMODE(found.st_mode) & _PERMISSION_BITS & ~mode\n",
        "        False\n",
    ),
)
_READING: _Rows = (
    ("a symlink is not followed", "os.O_DIRECTORY | os.O_NOFOLLOW", "os.O_DIRECTORY"),
    ("a FIFO does not block", "_READ = os.O_RDONLY | os.O_NONBLOCK", "_READ = os.O_RDONLY"),
    ("a large file is not read", " or status.st_size > LARGEST", ""),
)
_WRITERS: _Rows = (
    (
        "a file that anyone can write to is reported",
        "    if status.st_mode & right:\n",
        "    if False:\n",
    ),
    (
        "the mask limits an ACL",
        "if not entry.permissions & mask & right:",
        "if not entry.permissions & right:",
    ),
    (
        "only a group without other members is trusted",
        "and set(group.gr_mem) <= {user.pw_name}",
        "",
    ),
    (
        "only a group that is nobody else's primary group is trusted",
        "        and all(other.pw_uid == uid for other in pwd.getpwall() if other.pw_gid == gid)\n",
        "",
    ),
)
_TRANSPORT: _Rows = (
    (
        "urllib3 follows no redirect",
        "            retries=False,\n            redirect=False,\n",
        "",
    ),
    ("a response that is too large is rejected", "if len(raw) > LONGEST_BODY:", "if False:"),
)
_TLS: _Rows = (
    (
        "only the given CAs are trusted",
        "ssl.create_default_context(cadata=_cas(settings))",
        "ssl.create_default_context(cadata=_cas(settings)); made.load_default_certs()",
    ),
    (
        "a leaf or an intermediate can be trusted",
        "made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN",
        "pass",
    ),
    ("the common name is not a host name", "made.hostname_checks_common_name = False", "pass"),
    ("the certificate is verified by default", "    if settings.skip_verify:\n", "    if True:\n"),
)
_REDIRECT: _Rows = (
    (
        "no redirect leads from https to http",
        'if found.server.scheme == "http" and not stays:',
        "if False:",
    ),
    ("redirects can be disabled", "    if not follow:\n", "    if False:\n"),
)
_PROXIES: _Rows = (
    (
        "loopback is reached without a proxy",
        'if host == "localhost" or (ip is not None and ip.is_loopback):',
        "if False:",
    ),
    (
        "NO_PROXY is respected",
        "or _bypasses(server, settings.no_proxy or",
        'or _bypasses(server, ""and',
    ),
    (
        "NO_PROXY matches whole labels",
        "host.endswith(f\".{domain.removeprefix('.')}\")",
        "host.endswith(domain)",
    ),
)
_MASKING: _Rows = (
    ("the token is masked", 'call.headers.get("X-Vault-Token"), ', ""),
    (
        "a password is masked",
        '("secret_id", "jwt", "password", "token")',
        '("secret_id", "jwt", "token")',
    ),
    ("a secret escaped in JSON is masked", ", *(json.dumps(text)[1:-1] for text in secrets)}", "}"),
)
_CLUSTER: _Rows = (
    (
        "a request that works once is not repeated",
        "            if outcome.sent and not self._repeat:\n",
        "            if False:\n",
    ),
    (
        "a node that responded is tried first",
        "            self._prefer(address)\n        return outcome",
        "            pass\n        return outcome",
    ),
    (
        "a node that hangs leaves time for the others",
        "return min(retry.share(repeats), left / nodes)",
        "return left",
    ),
)
_SENDER: _Rows = (
    ("secrets are masked in a response", "        answer = mask(answer, call)\n", ""),
    (
        "an unencrypted target of a redirect is reported",
        "        self._warn_if_exposed(asked.server)\n",
        "",
    ),
    (
        "only a write of ours is waited for",
        "if verdict is Verdict.LAGGING and not self._writes.may_be_missing():",
        "if verdict is Verdict.LAGGING:",
    ),
)
_OWN_WRITES: _Rows = (
    (
        "a node that lags is told what to wait for",
        '        self._index = headers.get("X-Vault-Index", self._index)\n',
        "",
    ),
)
_FAILURES: _Rows = (
    (
        "a request that failed may have been sent",
        "    return not (\n        isinstance(error, ValueError | urllib3.exceptions.ProxyError)\n",
        "    return False and not (\n        isinstance(error, urllib3.exceptions.ProxyError)\n",
    ),
    (
        "a rejected certificate is not retried",
        "isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError))\n        or",
        "False)\n        or",
    ),
)
_DEADLINE: _Rows = (
    (
        "a response byte by byte does not extend the time limit",
        "        if time.monotonic() >= self._deadline:\n",
        "        if False:\n",
    ),
    (
        "the time limit covers the whole request",
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
        "an alert without a certificate request is not a rejection of ours",
        "case Alerted() if exchange.greeting.asks:",
        "case Alerted():",
    ),
    (
        "a closed connection is not a rejection",
        "        case Closed():\n            return found(\n                Result.UNKNOWN",
        "        case Closed():\n            return found(\n                Result.OK",
    ),
    (
        "a rejection by a plugin is not one by TLS",
        "denied_by_plugin=True):\n            return found(\n                Result.CRITICAL,",
        "denied_by_plugin=True):\n            return found(\n                Result.OK,",
    ),
)
_ATTEMPTS: _Rows = (
    (
        "every row is about one and the same server",
        "    if result.result is not Result.OK or (\n        exchange.greeting",
        "    if True or (\n        exchange.greeting",
    ),
    (
        "an impostor is a warning",
        "if result.result is not Result.OK or not attempts.met_an_impostor:",
        "if True:",
    ),
    (
        "the certificate judged is that of the connection that accepted us",
        "        if self.known and self.known.greeting.certificate:\n",
        "        if False:\n",
    ),
)
_TRUST: _Rows = (
    (
        "tlsverify without tlscacert is recognized",
        "if not named and _is_of_dockerd(plaintext, stranger):",
        "if False:",
    ),
    (
        "accepting clients of public CAs is reported",
        "if too_wide := [name for name in authorities if name in public]:",
        "if too_wide := []:",
    ),
    ("unreadable CA names are reported", "    if unreadable:\n", "    if False:\n"),
    (
        "a daemon that requests no certificate is reported",
        "    if not greeting.asks:\n        return _judge_unasked(known)\n",
        '    if not greeting.asks:\n        return found(Result.OK, "")\n',
    ),
)
_SERVER: _Rows = (
    (
        "the certificate has the name dialed",
        "    if found:\n        return Check.NAME",
        "    if True:\n        return Check.NAME",
    ),
    (
        "an address is matched against the IP addresses",
        "found = endpoint.host in map(parse_address, description.ip_addresses)",
        "found = endpoint.host in map(parse_address, names)",
    ),
    (
        "a wildcard matches one label",
        'return name.partition(".")[2] == pattern[2:]',
        "return name.endswith(pattern[1:])",
    ),
    (
        "an untrusted certificate is reported",
        "    if objections:\n        reason",
        "    if False:\n        reason",
    ),
    ("an expired one", "    if left <= timedelta(0):\n", "    if False:\n"),
    ("a renewal that is overdue is reported", "WARN_AT_SHARE = 1 / 3", "WARN_AT_SHARE = 1 / 30"),
    (
        "a server certificate that is also a client's is reported",
        "    if usages & {ExtendedKeyUsageOID.CLIENT_AUTH,",
        "    if False and usages & {ExtendedKeyUsageOID.CLIENT_AUTH,",
    ),
)
_CLIENT: _Rows = (
    (
        "a certificate without the client EKU is reported",
        "    if usages and not usages & _CLIENT_USAGES:",
        "    if False:",
    ),
    ("an expired one", "    if end <= now:\n", "    if False:\n"),
    (
        "a key of another certificate is reported",
        "if private_key.public_key() != chain[0].public_key():",
        "if False:",
    ),
)
_CAUSES: _Rows = (
    (
        "a CA that the daemon does not accept is the cause",
        "    if authorities and not {",
        "    if False and not {",
    ),
    (
        "an issuer of our intermediate is accepted",
        "{certificate.issuer for certificate in chain}",
        "{chain[0].issuer}",
    ),
    (
        "a forgotten restart after a rotation is the cause",
        "if ca and on_the_wire and _predates(on_the_wire, ca, roots):",
        "if False:",
    ),
    (
        "a daemon of another CA is no forgotten restart",
        "return is_ours and on_the_wire",
        "return on_the_wire",
    ),
    (
        "a CA with the same name and key is no recreated one",
        "if any(is_signed_by(certificate, root) for root in namesakes):",
        "if False:",
    ),
    (
        "a CA with the same name and another key is recreated",
        "if any(is_signed_by(certificate, root) for root in namesakes):",
        "if namesakes:",
    ),
    (
        "a certificate of the CA before needs a restart first",
        "    if namesakes and is_older:\n",
        "    if False:\n",
    ),
    ("a rotated CA needs a restart first", "    if is_older:\n", "    if False:\n"),
)
_REPORT: _Rows = (
    (
        "a skipped row is not success",
        "return Result.UNKNOWN if found is Result.SKIPPED else found",
        "return Result.OK if found is Result.SKIPPED else found",
    ),
    (
        "a skipped row makes the whole unknown",
        "return Result.UNKNOWN if found is Result.SKIPPED else found",
        "return found",
    ),
    ("the worst row decides", "found = max((", "found = min(("),
    ("exit status 0 is only for OK", "    Result.UNKNOWN: 3,", "    Result.UNKNOWN: 0,"),
    (
        "a critical row is worse than an unreachable daemon",
        'UNREACHABLE = "unreachable"\n    CRITICAL = "critical"',
        'CRITICAL = "critical"\n    UNREACHABLE = "unreachable"',
    ),
)
_SUCCESSOR: _Rows = (
    ("an expired successor is ignored", "if used.not_valid_after_utc <= now:", "if False:"),
    (
        "an older successor is ignored",
        "newer.not_valid_before_utc > older.not_valid_before_utc and",
        "True and",
    ),
)

# All of vault/http except raft, which takes a minute per change.
_HTTP = " ".join(
    f"vault/http/test_{name}.py"
    for name in (
        "cluster",
        "consistency",
        "deadline",
        "dialing",
        "failures",
        "masking",
        "pools",
        "redirect",
        "retry",
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
    "credential/retirement.py": (
        "credential/test_generations.py credential/test_store.py",
        _RETIREMENT,
    ),
    "credential/worker.py": ("credential/test_worker.py credential/test_preflight.py", _WORKER),
    "credential/record.py": ("credential/test_record.py", _RECORD),
    "credential/backup.py": ("credential/test_backup.py", _BACKUP),
    "credential/reader.py": (
        "credential/test_store.py credential/test_store_kills.py test_rollback.py",
        _READER,
    ),
    "credential/glance.py": ("test_rollback.py", _GLANCE),
    "credential/history.py": ("credential/test_history.py test_rollback.py", _HISTORY),
    "credential/layout.py": ("credential files", _LAYOUT),
    "credential/naming.py": ("credential files", _NAMING),
    "files/atomic.py": ("files/test_atomic.py credential", _ATOMIC),
    "files/reading.py": ("files/test_reading.py files/test_atomic.py", _READING),
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
    "vault/http/consistency.py": ("vault/http/test_consistency.py", _OWN_WRITES),
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
    "docker/diagnosis/causes.py": ("docker/diagnosis", _CAUSES),
    "docker/diagnosis/report.py": ("docker/diagnosis", _REPORT),
    "docker/diagnosis/successor.py": ("docker/diagnosis", _SUCCESSOR),
}


def mutants() -> Iterator[Mutant]:
    """Return all of the table."""
    tables = (
        TABLE
        | certificate.TABLE
        | configured.TABLE
        | files.TABLE
        | http.TABLE
        | login.TABLE
        | renewal.TABLE
        | restart.TABLE
        | schedule.TABLE
        | status.TABLE
        | timer.TABLE
        | doctor.TABLE
    )
    for key, (tests, rows) in tables.items():
        file = f"dockertls_vault/{key.partition(' ')[0]}"
        paths = tuple(f"tests/{path}" for path in tests.split())
        for promise, before, after in rows:
            yield Mutant(promise, file, before, after, paths)
