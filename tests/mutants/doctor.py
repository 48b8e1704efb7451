"""What `daemon doctor` promises, and the changes that break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .mutant import Rows, Table

_CHECKS: Rows = (
    (
        "what was left out makes the whole unknown",
        "if found.result is not Result.SKIPPED or found.check not in _OF_OTHERS",
        "if found.result is not Result.SKIPPED",
    ),
    (
        "a host without Vault can be fine",
        "if found.result is not Result.SKIPPED or found.check not in _OF_OTHERS",
        "if True",
    ),
    ("foreign text stays in its line", "map(one_line, lines)", "lines"),
    ("the worst socket decides", "decisive = max(", "decisive = min("),
)
_SET_UP: Rows = (
    (
        "a host is not set up for live-restore alone",
        "(_FIXED | _RESTORED if is_set_up else _FIXED)",
        "(_FIXED | _RESTORED)",
    ),
    (
        "the CA of others is not replaced without a warning",
        "_REPLACES if in_force.tls and not is_ours",
        "_REPLACES if False",
    ),
    ("what clashes is taken over", '" --take-over" if clashes else ""', '""'),
    (
        "a credential is issued first",
        "if is_issued or is_set_up else _ISSUE",
        "if True else _ISSUE",
    ),
)
_CONFIGURATION: Rows = (
    (
        "a rootless dockerd reads the file of its user",
        'if not environ.get("ROOTLESSKIT_STATE_DIR"):',
        "if True:",
    ),
    ("a rootless dockerd follows XDG", 'environ.get("XDG_CONFIG_HOME") or ', ""),
)
_SETTINGS: Rows = (
    ("what live-restore does not keep is a warning", "if on and removed:", "if False:"),
    (
        "tlsverify in daemon.json alone has no default tlscacert",
        "return folder / default if by_flag else None",
        "return folder / default",
    ),
    (
        "live-restore keeps no container of a rootless dockerd",
        'if "name=rootless" in',
        'if "rootless" in',
    ),
    ("any value of DOCKER_TLS_VERIFY counts", 'bool(environ.get("DOCKER_TLS_VERIFY"))', "False"),
    ("public CAs in tlscacert are critical", "[name for name in named if name in public]", "[]"),
    ("what a reload applies does not wait", "sorted(values.keys() - _RELOADED)", "sorted(values)"),
    (
        "dockerd looks into most objects of daemon.json",
        "if isinstance(value, dict) and key not in _FLAT:",
        "if False:",
    ),
    ("a setting in two places is a clash", "if key in written]", "if False]"),
)
_SOCKETS: Rows = (
    ("what closed a socket is fixed first", "    if without_tls is not None:", "    if False:"),
    ("a port that is taken is named", "    if taken:", "    if False:"),
    ("a dockerd that was restarted does not listen there", "    if is_held:", "    if True:"),
    (
        "an unexpected socket that lets strangers in is one of the API",
        "return is_expected or report.result is Result.CRITICAL",
        "return is_expected",
    ),
)
_CERTIFICATES: Rows = (
    ("a certificate in memory is compared", "    if served != on_disk:", "    if False:"),
    ("of several roots, the last counts", "last = max(trusted", "last = min(trusted"),
    ("intermediates count as well", "(last, *intermediates) if", "(last,) if"),
)
_KEYS: Rows = (
    (
        "an open key of a CA is critical",
        "Result.CRITICAL if of_ca else",
        "Result.ERROR if of_ca else",
    ),
)
_CLIENTS: Rows = (
    ("any variable that sudo drops shows -E", ', "DOCKERTLS_", "VAULT_", "BAO_")', ",)"),
    ("what sudo drops is not examined", 'if environ.get("SUDO_USER") and', "if False and"),
    ("versions are numbers", "int(part) for part in version", "part for part in version"),
)
_VAULTS: Rows = (
    ("a role without usages is dual", "return not usages or", "return"),
    ("the remedy resets the lists of usages", '[f"{key}="', '["" '),
    ("five minutes are too far", "> CLOCK_TOLERANCE", "> CLOCK_TOLERANCE * 2"),
)
_CONTAINERS: Rows = (
    ("a newer Docker removes none", "if version >= _KEEPS_ALL", "if False"),
    ("only --rm has one removed", 'settings.get("AutoRemove") is True', "True"),
)
_STARTUP: Rows = (
    ("TLS files are read before a start", "[*_of_files(planned)] or", ""),
    ("dockerd itself is asked", "or [*_of_dockerd(command, limit)]", ""),
)
_TLS_FILES: Rows = (
    ("a key must fit", "not isinstance(leaf, Certificate) or is_key_of(pem, leaf)", "bool(pem)"),
    ("without tlsverify, no CA is read", "found.cas if settings.tlsverify else None", "found.cas"),
)
_EXPOSURE: Rows = (
    ("others can read a key", "Access(path, readers)", "Access(path, ())"),
    ("a sticky directory is safe", "or component.status.st_mode & stat.S_ISVTX", ""),
    ("the keys of docker:dind are examined", '_BESIDE = ("ca", "client")', "_BESIDE = ()"),
)
_PROCESSES: Rows = (
    ("a process in a container does not count", "is_here = len(", "is_here = 1 or len("),
    (
        "only processes of root and of this user count",
        'owner[:1] in (["0"], [str(os.geteuid())])',
        "owner",
    ),
)
_DOCTOR: Rows = (
    ("a daemon that hangs is asked at one address", "if report.address is not None:", "if False:"),
    (
        "and what it shows is not waited for again",
        "if report.result is Result.UNREACHABLE:",
        "if False:",
    ),
)
TABLE: Table = {
    "doctor.py": ("test_doctor.py", _DOCTOR),
    "daemon/examination/checks.py": ("daemon/examination", _CHECKS),
    "daemon/examination/set_up.py": ("daemon/examination", _SET_UP),
    "daemon/configuration.py": ("daemon/test_configuration.py", _CONFIGURATION),
    "daemon/examination/settings.py": ("daemon/examination", _SETTINGS),
    "daemon/examination/sockets.py": ("daemon/examination", _SOCKETS),
    "daemon/examination/certificates.py": ("daemon/examination", _CERTIFICATES),
    "daemon/examination/keys.py": ("daemon/examination", _KEYS),
    "daemon/examination/clients.py": ("daemon/examination", _CLIENTS),
    "daemon/examination/vaults.py": ("daemon/examination", _VAULTS),
    "daemon/containers.py": ("daemon/test_containers.py", _CONTAINERS),
    "daemon/startup.py": ("daemon/test_startup.py", _STARTUP),
    "daemon/tls_files.py": ("daemon/test_startup.py", _TLS_FILES),
    "daemon/exposure.py": ("daemon/test_exposure.py", _EXPOSURE),
    "host/processes.py": ("host/test_processes.py", _PROCESSES),
}
