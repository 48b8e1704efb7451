"""Each printed form serves TLS when it is run as printed, and rejects those without a certificate.

There is no cluster here: the manifests for Kubernetes are validated, and run by
tests/harness/pod.py.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import kubernetes_validate  # type: ignore[import-untyped] # it comes without types
import pytest
import yaml  # type: ignore[import-untyped] # it comes without types

from dockertls_vault.cli import main
from dockertls_vault.credential.naming import GENERATION_NAMES
from dockertls_vault.daemon.printed import Form
from tests import console
from tests.harness import load
from tests.harness.host import Host, running_host
from tests.harness.pod import running_pod
from tests.harness.process import free_ports
from tests.mounts import lead_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.harness.compose import Compose
    from tests.harness.engine import Engine
    from tests.harness.openbao import DevVault

PRINT = "dockertls-vault daemon configure --print"
CHECK = f"dockertls-vault check --certs {load.CLIENT}"
ISSUE = f"""\
set -e
dockertls-vault ca init --allow-any-name --yes
dockertls-vault issue server
dockertls-vault issue client --dir {load.CLIENT}
"""
IN_USE = "docker -H unix:///run/docker.sock version"
# As by hand; the unit only serves to end it.
START = f"""\
set -e
systemctl stop docker.socket docker.service
systemd-run --quiet --unit=by-hand --collect {{command}}
timeout 60 sh -c 'until {IN_USE}; do sleep 0.1; done' >/dev/null
"""
END = "systemctl stop by-hand"
# After the commands for systemd.
UNDO = """\
set -e
systemctl stop docker-tls.socket docker.socket docker.service
rm -r /etc/docker/daemon.json /etc/systemd/system/docker*
systemctl daemon-reload
systemctl reset-failed docker.service
systemctl start docker.socket docker.service
"""


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run `daemon configure --print` with ``arguments``; return what it prints."""
    assert main.run(["daemon", "configure", "--print", *map(str, arguments)]) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host with a server credential and a client's, on which Docker is as installed."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(ISSUE)
        yield booted


@pytest.fixture(scope="module")
def certs(prepared: DevVault, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a server's and a client's credential in the layout of dind."""
    directory = tmp_path_factory.mktemp("printed") / "of a $USER"
    with pytest.MonkeyPatch.context() as patch:
        lead_to(prepared, patch)
        for purpose in ("server", "client"):
            issue = ["issue", purpose, "--layout", "dind", "--dir", str(directory)]
            assert main.run(issue) == 0
    return directory


@pytest.mark.slow
@pytest.mark.parametrize("listen", [(), ("127.0.0.1:2376", "2377")])
def test_flags(host: Host, listen: tuple[str, ...]) -> None:
    """The command line starts dockerd as it is, with its Unix socket."""
    options = " ".join(f"--listen {address}" for address in listen)
    host.do(f"{PRINT} flags {options} >/srv/start")
    host.do(START.format(command="sh /srv/start"))
    for address in listen or ("2376",):
        host.do(f"{CHECK} 127.0.0.1:{address.rpartition(':')[2]}")
    host.do(END)


@pytest.mark.slow
def test_daemon_json(host: Host) -> None:
    """The file is all that a dockerd needs, and adds the Unix socket."""
    host.do(f"{PRINT} daemon-json >/srv/daemon.json")
    host.do(START.format(command="dockerd --config-file /srv/daemon.json"))
    host.do(f"{CHECK} 127.0.0.1")
    host.do(END)


@pytest.mark.slow
def test_systemd(host: Host) -> None:
    """The commands set Docker up; what is there already is not overwritten."""
    host.do("systemctl reset-failed docker.service; systemctl start docker.socket docker.service")
    host.do(f"{PRINT} systemd >/srv/commands; bash /srv/commands")
    host.do(f"{CHECK} 127.0.0.1")
    host.do(IN_USE)
    assert host.do("docker info --format '{{.LiveRestoreEnabled}}'") == "true\n"
    status, shown = host.run("bash /srv/commands")
    assert (status, "cannot overwrite existing file" in shown) == (1, True)


@pytest.mark.slow
def test_swarm_node(host: Host) -> None:
    """The commands for systemd set it up, without live-restore; a stack is no way to do so."""
    host.do(UNDO)
    host.do("docker swarm init --advertise-addr 10.0.0.7")
    # Compose files of Docker 20.10 have a version.
    host.do(f"(echo 'version: \"3.8\"'; {PRINT} compose --dir /srv) >/srv/stack.yaml")
    deployed = host.do("docker stack deploy --resolve-image never --compose-file /srv/stack.yaml x")
    assert "Ignoring unsupported options: privileged, restart" in deployed
    host.do("docker stack rm x")
    host.do(f"{PRINT} systemd >/srv/commands; bash /srv/commands")
    host.do(f"{CHECK} 127.0.0.1")
    in_force = "docker info --format '{{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}}'"
    assert host.do(in_force) == "false active\n"


@pytest.mark.slow
def test_compose(
    compose: Compose, certs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The service serves TLS at the address, with a path that Compose could take for variables."""
    text = printed(capsys, "compose", "--dir", certs, "--listen", f"127.0.0.1:{free_ports()}")
    with compose.running(text, "docker", tmp_path) as endpoint:
        check = ["check", f"tcp://127.0.0.1:{endpoint.port}", "--certs", str(certs / "client")]
        assert main.run(check) == 0


@pytest.mark.slow
def test_kubernetes(
    engine: Engine,
    dind_image: str,
    certs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The pod becomes ready, and serves TLS with the files of the secret."""
    text = printed(capsys, "kubernetes", "--dir", certs)
    with running_pod(engine, text, dind_image, tmp_path) as endpoint:
        check = ["check", f"tcp://127.0.0.1:{endpoint.port}", "--certs", str(certs / "client")]
        assert main.run(check) == 0


@pytest.mark.parametrize("version", ["1.25", "1.37"])
def test_kubernetes_knows_each_field(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The manifests match the schema of its API, and have nothing that it would ignore."""
    text = printed(capsys, "kubernetes", "--listen", "2376", "--listen", "2377")
    for manifest in yaml.safe_load_all(text):
        kubernetes_validate.validate(manifest, version, strict=True)


def flags_of(form: Form, text: str) -> list[str]:
    """Return what dockerd gets: its flags, or those that say the same as its daemon.json."""
    match form:
        case Form.COMPOSE:
            return list(yaml.safe_load(text)["services"]["docker"]["command"])
        case Form.KUBERNETES:
            spec = list(yaml.safe_load_all(text))[1]["spec"]["template"]["spec"]
            return list(spec["containers"][0]["args"])
        case Form.FLAGS:
            return [word.strip("'") for word in text.replace("\\\n", "").split()]
    settings: dict[str, Any] = json.loads(text[text.index("{") : text.index("}") + 1])
    tls = [f"--{name}={settings[name]}" for name in ("tlscacert", "tlscert", "tlskey")]
    hosts = [f"--host={host}" for host in settings.get("hosts", ())]
    return [*(["--tlsverify"] if settings["tlsverify"] is True else []), *tls, *hosts]


@pytest.mark.parametrize("form", Form)
def test_dockerd_always_verifies_clients(form: Form, capsys: pytest.CaptureFixture[str]) -> None:
    """Each form has all four settings, without which public CAs would be trusted.

    It keeps the Unix socket, which in the form for systemd is that of docker.socket.
    """
    flags = flags_of(form, printed(capsys, form))
    names = {flag.partition("=")[0] for flag in flags}
    assert {"--tlsverify", "--tlscacert", "--tlscert", "--tlskey"} <= names
    assert not any(":2375" in flag for flag in flags)
    assert ("--host=unix:///var/run/docker.sock" in flags) == (form is not Form.SYSTEMD)


@pytest.mark.parametrize(
    ("form", "note"),
    [
        (Form.SYSTEMD, "--hook 'systemctl reset-failed docker.service' --hook 'systemctl try-rest"),
        (Form.DAEMON_JSON, "or ~/.config/docker/daemon.json if rootless"),
        (Form.DAEMON_JSON, "in `hosts`: unix://$XDG_RUNTIME_DIR/docker.sock"),
        (Form.DAEMON_JSON, "on a Swarm node, leave out live-restore"),
        (Form.KUBERNETES, "kubectl rollout restart statefulset/docker"),
    ],
)
def test_notes_say_what_the_text_does_not_do(
    form: Form, note: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as what restarts dockerd after a renewal, which only `daemon configure` arranges."""
    assert main.run(["daemon", "configure", "--print", form]) == 0
    assert note in capsys.readouterr().err


@pytest.mark.parametrize("form", Form)
def test_form_needs_neither_root_nor_a_credential(
    form: Form, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text is all there is on stdout; in JSON, it is part of the result."""
    text = printed(capsys, form, "--dir", tmp_path / "none")
    assert (
        main.run(
            ["daemon", "configure", "--print", form, "--dir", str(tmp_path / "none"), "-o", "json"]
        )
        == 0
    )
    shown = capsys.readouterr()
    result = json.loads(shown.out)
    assert (result["kind"], result["data"]["form"]) == ("daemon-print", form)
    assert result["data"]["text"] == text
    assert result["data"]["notes"] == shown.err.splitlines()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("listen", "published"),
    [
        ([], ["2376:2376"]),
        (["2377"], ["2377:2376"]),
        (["10.0.0.7", "[2001:db8::7]:1"], ["10.0.0.7:2376:2376", "[2001:db8::7]:1:2376"]),
    ],
)
def test_compose_publishes_addresses(
    listen: list[str], published: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """In the container, dockerd listens at port 2376."""
    options = [word for address in listen for word in ("--listen", address)]
    text = printed(capsys, "compose", *options)
    assert yaml.safe_load(text)["services"]["docker"]["ports"] == published


def test_kubernetes_has_no_addresses(capsys: pytest.CaptureFixture[str]) -> None:
    """A service has ports only."""
    options = ["daemon", "configure", "--print", "kubernetes", "--listen"]
    assert main.run([*options, "10.0.0.7"]) == 2
    assert "--listen 10.0.0.7:2376: a Kubernetes service" in capsys.readouterr().err
    service = next(yaml.safe_load_all(printed(capsys, "kubernetes", "--listen", "2377")))
    assert service["spec"]["ports"] == [{"name": "docker-2377", "port": 2377, "targetPort": 2376}]


def test_secret_is_replaced_with_the_command_that_creates_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the guide shows it, for the directory that it uses."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certs" / "server").mkdir(parents=True)
    for name in GENERATION_NAMES:
        (tmp_path / "certs" / "server" / name).touch()
    text = printed(capsys, "kubernetes", "--dir", "./certs").replace(f"{tmp_path}/", "")
    create = "\n".join(line[2:] for line in text.splitlines() if line.startswith("# "))
    (shown,) = (
        each.text
        for each in console.commands("docs/how-to/without-systemd.md")
        if "kubectl create" in each.text
    )
    added = "--dry-run=client -o yaml | kubectl apply -f -"
    whole, expected = (
        shlex.split(each.replace("\\\n", "")) for each in (shown, f"{create} {added}")
    )
    assert whole == expected


@pytest.mark.parametrize("other", [["--remove"], ["--certs", "."], ["--dry-run"]])
def test_print_excludes(other: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is planned, so that these make no sense."""
    assert main.run(["daemon", "configure", "--print", "flags", *other]) == 2
    assert f"{other[0]} cannot be combined with --print" in capsys.readouterr().err
