"""Measure which lines of the program run on a host of the tests, if coverage is measured here."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from coverage import Coverage

if TYPE_CHECKING:
    from .host import Host

_RUNNING = Coverage.current()
# Where its data belong; the processes of the tests change their directory.
_FILE = Path(_RUNNING.config.data_file).absolute() if _RUNNING else None
# A service with ProtectSystem=strict can write only what it names. Of others, this would change the
# mount namespace: dockerd needs that of its containerd.
_BEGIN = """\
set -e
mkdir --mode 1777 /coverage
units=/run/systemd/system
if [ -d $units ]; then
    mkdir -p $units/dockertls-.service.d
    printf '[Service]\\nReadWritePaths=-/coverage\\n' >$units/dockertls-.service.d/coverage.conf
    systemctl daemon-reload
fi
cat >/etc/coveragerc <<'END'
[run]
branch = true
parallel = true
patch = _exit
source_pkgs = dockertls_vault
data_file = /coverage/{name}
END
for packages in {site_packages}; do
    echo 'import os; os.environ.setdefault("COVERAGE_PROCESS_START", "/etc/coveragerc")' \\
        >$packages/a0_measured.pth
done
"""


def requirements() -> tuple[str, ...]:
    """Return what a host needs besides the program."""
    return (f"coverage=={version('coverage')}",) if _FILE else ()


def begin(host: Host, site_packages: str) -> None:
    """Measure each process whose Python reads ``site_packages``, a pattern of the shell."""
    if _FILE:
        host.do(_BEGIN.format(name=_FILE.name, site_packages=site_packages))


def collect(host: Host) -> None:
    """Put the data beside those that are measured here."""
    if _FILE:
        host.engine.docker("cp", f"{host.container}:/coverage/.", str(_FILE.parent))
