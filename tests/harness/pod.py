"""Run what Kubernetes would, for want of a cluster: a pod of one container, by `docker run`.

It reads the manifests that this project prints, and no others: a field that it does not know fails.
"""

from __future__ import annotations

import shlex
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml  # type: ignore[import-untyped] # it comes without types

from .compose import Endpoint
from .host import rights
from .process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .engine import Engine


@contextmanager
def running_pod(engine: Engine, manifests: str, image: str, scratch: Path) -> Iterator[Endpoint]:
    """Create the secret, and run the pod until it is ready; yield the address of its service.

    ``image`` replaces the one that is named. Its name is that of ``scratch``, which is for files.
    """
    service, workload = yaml.safe_load_all(manifests)
    assert (service["kind"], workload["kind"]) == ("Service", "StatefulSet")
    template = workload["spec"]["template"]
    assert service["spec"]["selector"] == template["metadata"]["labels"]
    assert workload["spec"]["selector"] == {"matchLabels": template["metadata"]["labels"]}
    spec = dict(template["spec"])
    (container,) = spec.pop("containers")
    secret = _secret(manifests, scratch)
    volumes = {volume.pop("name"): volume for volume in spec.pop("volumes")}
    assert spec == {"automountServiceAccountToken": False}
    (port,) = service["spec"]["ports"]
    assert container.pop("ports") == [{"containerPort": port["targetPort"]}]
    assert container.pop("securityContext") == {"privileged": True}
    assert container.pop("image") == "docker:dind"
    name = f"dockertls-pod-{scratch.name}"
    run = ["run", "--detach", "--name", name, "--network", name, *rights(engine)]
    run += ["--publish", f"127.0.0.1::{port['targetPort']}"]
    for mount in container.pop("volumeMounts"):
        run += _mounted(mount, volumes[mount["name"]], secret)
    ready = container.pop("readinessProbe")["exec"]["command"]
    arguments = container.pop("args")
    assert container == {"name": "docker"}
    engine.docker("network", "create", name)
    try:
        engine.docker(*run, image, *arguments)
        wait_until(lambda: _succeeds(engine, name, ready))
        published = engine.docker("port", name, str(port["targetPort"])).split()[0]
        yield Endpoint("127.0.0.1", int(published.rpartition(":")[2]))
    finally:
        engine.docker("rm", "--force", "--volumes", name)
        engine.docker("network", "rm", name)


def _secret(manifests: str, scratch: Path) -> tuple[str, Path]:
    """Do what the command in the comment does; return the secret's name, and its files."""
    lines = [line[2:] for line in manifests.splitlines() if line.startswith("# ")]
    words = shlex.split("\n".join(lines).replace("\\\n", ""))
    assert words[:4] == ["kubectl", "create", "secret", "generic"]
    for option in words[5:]:
        key, _, path = option.removeprefix("--from-file=").partition("=")
        (scratch / key).write_bytes(Path(path).read_bytes())
    return words[4], scratch


def _mounted(mount: dict[str, Any], volume: dict[str, Any], secret: tuple[str, Path]) -> list[str]:
    if volume == {"emptyDir": {}}:
        assert mount.keys() == {"name", "mountPath"}
        return ["--volume", mount["mountPath"]]
    name, files = secret
    assert volume == {"secret": {"secretName": name, "defaultMode": 0o400}}
    for file in files.iterdir():
        file.chmod(volume["secret"]["defaultMode"])
    assert mount.pop("readOnly")
    return ["--volume", f"{files}:{mount['mountPath']}:ro"]


def _succeeds(engine: Engine, container: str, command: list[str]) -> bool:
    state = engine.docker("inspect", "--format", "{{.State.Running}}", container).strip()
    assert state == "true", engine.docker("logs", container)
    with suppress(subprocess.CalledProcessError):
        engine.docker("exec", container, *command)
        return True
    return False
