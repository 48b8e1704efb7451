"""What to paste where `daemon configure` does not reach: dockerd by hand, in containers; pure.

Each form names all four TLS settings: without tlscacert, dockerd accepts the clients of every
public CA. Those for docker:dind give dockerd's whole command line, because without one, dind serves
plaintext on port 2375 as soon as a file is missing.
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from dockertls_vault.credential.naming import GENERATION_NAMES
from dockertls_vault.docker import swarm
from dockertls_vault.docker.endpoint import DEFAULT_PORT
from dockertls_vault.docker.flags import DAEMON_JSON
from dockertls_vault.errors import InvalidInput
from dockertls_vault.host import systemd

from . import desired, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .desired import Listen

# In a container, every address of its own network; the published port decides who reaches it.
_IN_CONTAINER = f"tcp://0.0.0.0:{DEFAULT_PORT}"
_MOUNTED = PurePosixPath("/certs")
# Neither a plain scalar of YAML 1.1 that means something else, nor one that needs quotes.
_PLAIN = re.compile(r"(/|--|[a-z]+:///)[A-Za-z0-9/._:=-]*[A-Za-z0-9/]")


class Form(StrEnum):
    """What is printed."""

    FLAGS = "flags"
    COMPOSE = "compose"
    SYSTEMD = "systemd"
    DAEMON_JSON = "daemon-json"
    KUBERNETES = "kubernetes"


_FILE = (
    f"add these settings to {DAEMON_JSON}, or ~/.config/docker/{DAEMON_JSON.name} if rootless, "
    "with the Unix socket of that user in `hosts`: unix://$XDG_RUNTIME_DIR/docker.sock"
)
_RESTART = "dockerd reads its certificate only when it starts: restart it after each renewal"
_HOSTS = (
    "dockerd rejects `hosts` together with -H, which the packages' docker.service passes: "
    "use --print systemd there"
)
_CONFIGURE = (
    "`sudo dockertls-vault daemon configure` does this, adapts to the settings that are there, "
    "and checks the result"
)
_HOOKS = (
    "`renew` does not know of this set-up: issue the certificate with "
    "--hook 'systemctl reset-failed docker.service' "
    "--hook 'systemctl try-restart docker.service', so that each renewal restarts dockerd"
)
_SWARM = (
    "`docker stack deploy` ignores `privileged`, without which dind does not start: "
    "set up the nodes themselves, with `daemon configure` or --print systemd"
)
_NODE = "on a Swarm node, leave out live-restore: dockerd does not start with it there"
_REPLACE = (
    "after each renewal, replace the secret (the command that creates it, with "
    "`--dry-run=client -o yaml | kubectl apply -f -` added), "
    "then `kubectl rollout restart statefulset/docker`"
)
_NOTES = {
    Form.FLAGS: ("dockerd refuses to start if daemon.json has one of these, too", _RESTART),
    Form.COMPOSE: ("after each renewal, `docker compose restart docker`", _SWARM),
    Form.SYSTEMD: (_CONFIGURE, _HOOKS),
    Form.DAEMON_JSON: (_FILE, _HOSTS, _RESTART, _NODE),
    Form.KUBERNETES: (_REPLACE,),
}


@dataclass(frozen=True)
class Printed:
    """The ``text`` to paste, and ``notes`` about it: what it does not do by itself."""

    form: Form
    text: str
    notes: tuple[str, ...]


def fill_in(
    form: Form, directory: Path, files: Sequence[Path], listens: Sequence[Listen]
) -> Printed:
    """Return the text of ``form``.

    ``files`` are the absolute public paths of ca.pem, certificate and key below ``directory``.
    Raises InvalidInput for an address if the form only has ports.
    """
    hosts = desired.hosts(listens)
    match form:
        case Form.FLAGS:
            text = _lines(map(shlex.quote, _flags(files, hosts)))
        case Form.DAEMON_JSON:
            text = _daemon_json(files, hosts)
        case Form.SYSTEMD:
            text = _systemd(files, listens)
        case Form.COMPOSE:
            text = _compose(directory, files, listens)
        case Form.KUBERNETES:
            text = _kubernetes(files, listens)
    return Printed(form, text, _NOTES[form])


def _flags(files: Iterable[Path | PurePosixPath], hosts: Iterable[str]) -> list[str]:
    ca, cert, key = files
    return [
        "dockerd",
        *(f"--host={host}" for host in hosts),
        "--tlsverify",
        f"--tlscacert={ca}",
        f"--tlscert={cert}",
        f"--tlskey={key}",
    ]


def _lines(words: Iterable[str]) -> str:
    """Return a command on lines of its own for each of the ``words``, which a shell can read."""
    return " \\\n    ".join(words) + "\n"


def _daemon_json(files: Sequence[Path], hosts: Sequence[str] = ()) -> str:
    # First, so that a Swarm node can do without its line.
    values: dict[str, object] = {desired.LIVE_RESTORE: True}
    values |= {"hosts": list(hosts)} if hosts else {}
    values |= desired.settings(files, live_restore=False)
    return json.dumps(values, indent=2) + "\n"


def _systemd(files: Sequence[Path], listens: Sequence[Listen]) -> str:
    drop_in = systemd.UNITS / units.DROP_IN
    return _SYSTEMD.format(
        swarm="|".join(swarm.STATES),
        directories=f"{DAEMON_JSON.parent} {drop_in.parent}",
        files="".join(
            f"cat >{path} <<'END'\n{text}END\n"
            for path, text in (
                (DAEMON_JSON, _daemon_json(files)),
                (systemd.UNITS / units.SOCKET, units.socket(listens).decode()),
                (drop_in, units.drop_in().decode()),
            )
        ),
        service=units.SERVICE,
        daemon_json=DAEMON_JSON,
        live_restore=desired.LIVE_RESTORE,
    )


def _compose(directory: Path, files: Sequence[Path], listens: Sequence[Listen]) -> str:
    mounted = [_MOUNTED / file.relative_to(directory) for file in files]
    return _COMPOSE.format(
        command=_list(_flags(mounted, (desired.UNIX_SOCKET, _IN_CONTAINER)), indent=6),
        # Compose replaces variables.
        source=_scalar(str(directory).replace("$", "$$")),
        target=_MOUNTED,
        ports=_list((json.dumps(_published(listen)) for listen in listens), indent=6),
    )


def _published(listen: Listen) -> str:
    address = "" if listen.is_every else f"{listen}".rpartition(":")[0] + ":"
    return f"{address}{listen.port}:{DEFAULT_PORT}"


def _kubernetes(files: Sequence[Path], listens: Sequence[Listen]) -> str:
    for listen in listens:
        if not listen.is_every:
            raise InvalidInput(
                f"--listen {listen}: a Kubernetes service has ports, and no addresses to choose",
                hint="give only a port",
            )
    ports = [listen.port for listen in listens]
    mounted = [_MOUNTED / name for name in GENERATION_NAMES]
    # Each by its name: of a directory, kubectl takes no symlinks.
    sources = [
        f"--from-file={name}={file}" for name, file in zip(GENERATION_NAMES, files, strict=True)
    ]
    create = _lines((f"kubectl create secret generic {_SECRET}", *map(shlex.quote, sources)))
    return _KUBERNETES.format(
        create="".join(f"# {line}\n" for line in create.splitlines()),
        secret=_SECRET,
        ports=_list(
            (
                f"{{name: docker-{port}, port: {port}, targetPort: {DEFAULT_PORT}}}"
                for port in ports
            ),
            indent=4,
        ),
        command=_list(_flags(mounted, (desired.UNIX_SOCKET, _IN_CONTAINER)), indent=12),
        port=DEFAULT_PORT,
        target=_MOUNTED,
    )


def _list(items: Iterable[str], *, indent: int) -> str:
    return "".join(f"{' ' * indent}- {item}\n" for item in items)


def _scalar(text: str) -> str:
    """Return ``text`` as a scalar of YAML, of which JSON's strings are a part."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


_SYSTEMD = """\
# For a shell of root. It stops at a file that exists.
(
set -eC
mkdir -p {directories}
{files}\
systemctl daemon-reload
if docker info --format '{{{{.Swarm.LocalNodeState}}}}' \\
        | grep -qxE '{swarm}'; then
    # On a Swarm node, dockerd does not start with live-restore.
    sed -i /{live_restore}/d {daemon_json}
else
    # Containers keep running if it is switched on before the first restart.
    systemctl kill --kill-who=main --signal=HUP {service}
    timeout 30 sh -c 'until docker info | grep -q "Live Restore Enabled: true"; do sleep 1; done'
fi
systemctl restart {service}
)
"""
_COMPOSE = """\
services:
  docker:
    image: docker:dind
    privileged: true
    # Without a command, dind serves plaintext on port 2375 if a file is missing.
    command:
{command}\
    volumes:
      - type: bind
        source: {source}
        target: {target}
        read_only: true
      - data:/var/lib/docker
    ports:
{ports}\
    restart: unless-stopped
volumes:
  data:
"""
_SECRET = "docker-tls"  # noqa: S105 - the name of one
_KUBERNETES = """\
{create}\
apiVersion: v1
kind: Service
metadata:
  name: docker
spec:
  selector: {{app: docker}}
  ports:
{ports}\
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: docker
spec:
  serviceName: docker
  replicas: 1
  selector:
    matchLabels: {{app: docker}}
  template:
    metadata:
      labels: {{app: docker}}
    spec:
      automountServiceAccountToken: false
      containers:
        - name: docker
          image: docker:dind
          # Without arguments, dind serves plaintext on port 2375 if a file is missing.
          args:
{command}\
          securityContext: {{privileged: true}}
          ports:
            - {{containerPort: {port}}}
          readinessProbe:
            exec: {{command: [docker, version]}}
          volumeMounts:
            - {{name: tls, mountPath: {target}, readOnly: true}}
            - {{name: data, mountPath: /var/lib/docker}}
      volumes:
        - name: tls
          secret: {{secretName: {secret}, defaultMode: 0400}}
        - name: data
          emptyDir: {{}}
"""
