"""What `status` promises, and the changes that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_FINDINGS: Rows = (
    (
        "what has expired is critical",
        "    if end <= now:\n        yield Finding(Severity.CRITICAL",
        "    if end <= now:\n        yield Finding(Severity.WARNING",
    ),
    ("what is not valid yet is critical", "    elif now < start:", "    elif False:"),
    (
        "--crit decides before --warn",
        "    elif limits.critical.reached(schedule, now):",
        "    elif False:",
    ),
    ("less than --warn is a warning", "limits.warning.reached(schedule, now)", "False"),
    (
        "a failed hook is reported while it waits for its window",
        "if (failure := pending.failure) is not None:",
        "if (failure := pending.failure) is not None and pending.waiting_until is None:",
    ),
    (
        "an expired certificate on the wire is critical, even if a restart waits",
        "    if shown.not_after <= now:",
        "    if shown.not_after <= now and not is_waiting:",
    ),
    (
        "only the certificate that was replaced waits for a window",
        "is_waiting = is_replaced and pending",
        "is_waiting = pending",
    ),
    ("unknown is worse than a warning", "key=list(Severity).index", "key=str"),
)
_WIRE: Rows = (
    (
        "a daemon elsewhere is not asked",
        "    if known is not None and _is_for(certificate, known):",
        "    if known is not None:",
    ),
    (
        "this host is asked only if the certificate is for it",
        "    if any(_is_for(certificate, Endpoint(name, DEFAULT_PORT)) for name in names):",
        "    if True:",
    ),
    (
        "a certificate on the wire is compared with all that are kept",
        "successor(certificate, installed, is_here",
        "successor(certificate, installed[:1], is_here",
    ),
)
_STATUS: Rows = (
    (
        "the owner's rights decide what root reads",
        "        return by_worker(place, _read_files)",
        '        return _read_files(__import__("dataclasses").replace(place, worker=os.geteuid()))',
    ),
    (
        "damaged files are critical",
        "[Finding(Severity.CRITICAL, each) for each in found.damage]",
        "[Finding(Severity.OK, each) for each in found.damage]",
    ),
    (
        "a host without credentials is unknown",
        "if done else Severity.UNKNOWN",
        "if done else Severity.OK",
    ),
    (
        "the daemon of another credential is no warning",
        "if shown.presented is Presented.OTHER and owner is not None:",
        "if False:",
    ),
    ("a daemon is asked once", "functools.cache(partial(", "(partial("),
)
_CONTENTS: Rows = (
    (
        "a key that may not be read is no damage",
        "    except PermissionError:\n        return ()",
        "    except PermissionError:\n        raise",
    ),
)
_METRICS: Rows = (
    ("others can read the metrics", "_MODE = 0o644", "_MODE = 0o600"),
    (
        "a path is valid UTF-8",
        'decode(errors="backslashreplace")',
        'decode(errors="surrogateescape")',
    ),
)
_PUBLISHED: Rows = (
    ("a device and a link stay", "        _refuse_irregular(path.name, within)\n", ""),
    (
        "the old metrics stay until the new ones are complete",
        "os.rename(staged, path.name, src_dir_fd=within, dst_dir_fd=within)",
        "os.unlink(path.name, dir_fd=within)",
    ),
    (
        "no unfinished file is left",
        "        finally:\n            with suppress(FileNotFoundError):\n",
        "        finally:\n            if False:\n",
    ),
)
TABLE: Table = {
    "findings.py": ("test_findings.py", _FINDINGS),
    "docker/diagnosis/wire.py": ("docker/diagnosis/test_wire.py", _WIRE),
    "status.py": ("test_status.py", _STATUS),
    "credential/contents.py status": ("test_status.py", _CONTENTS),
    "metrics.py": ("test_metrics.py", _METRICS),
    "files/atomic.py of metrics": ("files/test_atomic.py test_metrics.py", _PUBLISHED),
}
