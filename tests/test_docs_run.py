"""Every command in the docs is run exactly as a reader would run it.

In an isolated shell (harness/newcomer.py), with OpenBao and in dialects of Vault. NOT_RUN lists the
commands that cannot run there, with the reason.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from . import console
from .console import PAGES
from .harness.dialect import community, enterprise
from .harness.dialect.servers import running_dialect
from .harness.dockerd import find_dockerd
from .harness.missing import missing
from .harness.newcomer import Newcomer, arriving
from .programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .console import Shown
    from .harness.dialect.exchange import Rule

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docs")]

NAME = "docker1.example.internal"
BARE_NAME = "vm"  # the tutorial's machine
DEV = "dockertls-vault dev --domain example.internal"
START_DOCKER = "sudo systemctl start docker.service"
RESTART_DOCKER = "sudo systemctl restart docker.service"
CONFIGURE = "sudo dockertls-vault daemon configure"
# What it writes, as far as a dockerd without systemd needs it; tests/test_configure.py runs it.
SET_UP = """\
set -e
cat >/etc/docker/daemon.json <<'END'
{
  "tlsverify": true,
  "tlscacert": "/etc/docker/tls/ca.pem",
  "tlscert": "/etc/docker/tls/server-cert.pem",
  "tlskey": "/etc/docker/tls/server-key.pem",
  "live-restore": true
}
END
printf '[Socket]\\nListenStream=2376\\n' >/etc/systemd/system/docker-tls.socket
set +e
"""
# The beginnings of commands that are not run, and the reasons.
NOT_RUN = {
    "make ": "`make test` runs this test, and the others have tests of their own",
    "sudo apt install ": "scripts/install-engine has installed what comes from Debian",
    "sudo systemctl ": "no systemd runs here; where it starts dockerd, the test does",
    "systemctl ": "likewise",
    "sudo -E dockertls-vault issue server --also-trust ": "tests/test_moving.py does, likewise",
    "sudo dockertls-vault daemon doctor": "tests/test_doctor_host.py does, likewise",
    "sudo -E dockertls-vault issue server --hook ": "likewise; tests/test_issue_again.py has hooks",
    f"{CONFIGURE} --": "tests/test_configure.py does, under systemd",
    "dockertls-vault issue server --dir ~/.config/docker/tls ": "tests/test_rootless.py does",
    "sudo -E dockertls-vault issue server --dir ~alice/": "likewise",
    "sudo dockertls-vault renew --install-timer": "likewise",
    "docker run --privileged ": "tests/test_end_to_end.py runs docker:dind",
    "docker compose up ": "tests/daemon/test_printed.py runs the file",
    "docker build --tag dockertls-vault .": "tests/test_image.py builds and runs the image",
    "docker run --rm ": "likewise",
    "dockertls-vault check tcp://localhost:2376 --certs ./certs": "tests/test_end_to_end.py does",
    "DOCKER_CERT_PATH=$PWD/certs/client docker ": "likewise",
    "bao write auth/jwt/config ": "GitHub cannot be reached from every machine",
    "bao write auth/gitlab/config ": "there is no such GitLab",
    "kubectl ": "there is no cluster",
    "sed -n 's/^# //p' docker.yaml | sh": "likewise; tests/daemon/test_printed.py runs a pod",
    "sudo nft ": "it adds to a firewall that the reader has",
    "sudo dockertls-vault daemon restart": "tests/test_restart_daemon.py does, under systemd",
    "bao delete dockertls/issuer/ID": "the reader puts in which one",
}
TUTORIAL = "docs/tutorial/first-light.md"
INSTALL = "docs/how-to/install.md"
HOST = "docs/how-to/secure-a-host.md"
EXISTING = "docs/how-to/existing-ca.md"
ROLL_BACK = "docs/how-to/roll-back.md"
UNATTENDED = "docs/how-to/renew-unattended.md"  # tests/test_timer.py follows it under systemd
MOVING = "docs/how-to/move-a-hand-made-host.md"  # tests/test_moving.py follows it likewise
TAKE_OVER = "docs/how-to/take-over-a-daemon.md"  # tests/test_daemon_take_over.py, too
APART = {INSTALL, TUTORIAL, HOST, EXISTING, ROLL_BACK, UNATTENDED, MOVING, TAKE_OVER}
OTHERS = [page for page in PAGES if page.startswith("docs/") and page not in APART]
# Prerequisites of the page about an existing CA: mounts with roles, an intermediate signed by
# another mount, and, for the section about migration, the result of Docker's own page: a CA in
# files, and a daemon and a client with certificates of it.
MOUNTS = """\
set -e
for mount in servers clients; do
    dockertls-vault ca init --mount "$mount" --domain example.internal
done
DOCKERTLS_SERVER_ROLE=docker-hosts DOCKERTLS_CLIENT_ROLE=docker-users \
    dockertls-vault ca init --mount pki/docker --domain example.internal
bao write pki/docker/roles/server allowed_domains=corp.internal allow_subdomains=true max_ttl=365d
bao secrets enable -path=root pki
bao write -field=certificate root/root/generate/internal common_name=root >root.pem
bao write -field=csr pki/docker/issuers/generate/intermediate/internal common_name=i >i.csr
bao write -field=certificate root/root/sign-intermediate csr=@i.csr common_name=i >i.pem
for pem in i root; do cat $pem.pem; echo; done >intermediate-and-root.pem
set +e
"""
MOVE = "Migrate from a hand-made CA"
HAND_MADE = """\
set -e
bao secrets disable dockertls
rm -rf ~/.docker /etc/docker/tls
mkdir ~/.docker
new="openssl req -new -newkey rsa:2048 -nodes"
sign="openssl x509 -req -CA old-ca.pem -CAkey old-key.pem -CAcreateserial -extfile ext"
$new -x509 -subj "/CN=old CA" -keyout old-key.pem -out old-ca.pem
$new -subj /CN=server -keyout /etc/docker/server-key.pem -out csr
echo "subjectAltName=DNS:docker1.example.internal,DNS:localhost" >ext
echo "extendedKeyUsage=serverAuth" >>ext
$sign -in csr -out /etc/docker/server-cert.pem
$new -subj /CN=client -keyout ~/.docker/key.pem -out csr
echo "extendedKeyUsage=clientAuth" >ext
$sign -in csr -out ~/.docker/cert.pem
cp old-ca.pem ~/.docker/ca.pem
cp old-ca.pem /etc/docker/ca.pem
chmod 0444 ~/.docker/ca.pem /etc/docker/ca.pem
sed -i s,/etc/docker/tls/,/etc/docker/, /etc/docker/daemon.json
set +e
"""
FROM_A_CHECKOUT = "From a checkout"
REMOVE = "Uninstall"
UNDO = "Undo"
# Prerequisites of the page about rolling back, and the values that the reader fills in.
REPLACED = "Restore replaced files"
REPLACE = """\
set -e
rm -f /etc/docker/*.pem
for name in ca server-cert server-key; do echo $name >/etc/docker/$name.pem; done
dockertls-vault issue server --dir /etc/docker --replace
set +e
"""
CHOSEN = {
    "20260102T030405.678901Z": "$(ls .dockertls/backup)",
    "20260102T030405": "$(ls /etc/docker/tls/.dockertls/generations | tail -n 1)",
}
# A reader who unwraps a token has no other one.
UNWRAP = 'export VAULT_TOKEN="$(bao unwrap -field=token)"'
WRAPPED = """\
export VAULT_TOKEN="$(bao token create -wrap-ttl=1m -field=wrapping_token)"
unset BAO_TOKEN
"""
SERVERS: dict[str, tuple[Rule, ...] | None] = {
    "openbao": None,
    "community": community(),
    "enterprise": enterprise(),
}


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Newcomer]:
    """Return a shell with a checkout in which the program was installed as the guide says."""
    find_dockerd()
    if shutil.which("sudo") is None or not _has_venv("/usr/bin/python3"):
        missing("sudo or python3-venv is not installed (make test installs it, as root on Debian)")
    checkout = tmp_path_factory.mktemp("checkout") / "dockertls-vault"
    shutil.copytree(ROOT, checkout, ignore=shutil.ignore_patterns(".git", ".venv*", ".*_cache"))
    with arriving(checkout) as somebody:
        somebody.do(f"hostname {NAME} && echo 127.0.0.1 {NAME} >>/etc/hosts")
        follow(somebody, commands(INSTALL, FROM_A_CHECKOUT, "Completion"))
        yield somebody
        follow(somebody, commands(INSTALL, REMOVE))
        assert "dockertls-vault" not in somebody.do("ls /opt /usr/local/bin")


def _has_venv(python: str) -> bool:
    return subprocess.run([python, "-c", "import ensurepip"], check=False).returncode == 0


@pytest.fixture(params=SERVERS)
def vault(request: pytest.FixtureRequest, newcomer: Newcomer, tmp_path: Path) -> Iterator[Newcomer]:
    """Point the newcomer to an empty Vault (`dev` creates the CA); clean up afterwards."""
    rules = SERVERS[request.param]
    newcomer.do("cd ~ && mkdir work && cd work")
    if rules is None:
        printed = newcomer.start(DEV, until="OpenBao runs until")
        newcomer.do("\n".join(line for line in printed.splitlines() if line.startswith("export")))
        yield newcomer
    else:
        with running_dialect(tmp_path, rules) as server:
            newcomer.do(f"export VAULT_ADDR={server.address} VAULT_TOKEN={server.token}")
            yield newcomer
    newcomer.stop(everything=True)
    newcomer.do("unset BAO_ADDR BAO_TOKEN VAULT_ADDR VAULT_TOKEN BAO_NAMESPACE DOCKERTLS_AUTH")
    newcomer.do("cd ~ && rm -rf work docker .docker .config/docker")
    newcomer.do("rm -rf /etc/docker /etc/systemd/system/docker*")


def commands(page: str, *sections: str) -> list[Shown]:
    """Return the commands of a page, or of some of its sections."""
    return [shown for shown in console.commands(page) if not sections or shown.section in sections]


def follow(newcomer: Newcomer, shown: list[Shown], *, compare: bool = False) -> None:
    """Run each command, and check its exit status, and its output too if asked to ``compare``."""
    for command in shown:
        text = command.text
        for example, found in CHOSEN.items():
            text = text.replace(example, found)
        if text == CONFIGURE:
            newcomer.do(SET_UP)
            start_docker(newcomer)
        elif text in {START_DOCKER, RESTART_DOCKER}:
            start_docker(newcomer)
        elif "/nobody docker" in text:
            status, printed = newcomer.run(text)
            assert status != 0
            assert "tls: " in printed
        elif text.startswith("sudo dockerd --data-root"):
            newcomer.start(text, until="API listen on")
        elif text == UNWRAP:
            newcomer.do(WRAPPED + UNWRAP)
        elif text != DEV and not any(map(text.startswith, NOT_RUN)):
            printed = newcomer.do(text)
            missed = console.not_printed(command.output, printed) if compare else []
            assert missed == [], f"$ {text}\n{printed}"


def start_docker(newcomer: Newcomer) -> None:
    """Do what systemd would with the unit and daemon.json that were just written."""
    if newcomer.run("test -e ~/docker")[0] == 0:
        newcomer.stop()
    newcomer.start(
        f"{sys.executable} {ROOT}/tests/harness/socket_activation.py "
        "/etc/systemd/system/docker-tls.socket "
        "dockerd -H fd:// --data-root ~/docker/data --exec-root ~/docker/run "
        "--pidfile ~/docker/pid --storage-driver=vfs "
        "--bridge=none --iptables=false --ip6tables=false",
        until="API listen on",
    )


def test_every_page_with_commands_is_followed() -> None:
    """And every entry of NOT_RUN still occurs somewhere."""
    shown = [command for page in PAGES for command in commands(page)]
    followed = {"README.md", *APART, *OTHERS}
    others = [command.text for command in shown if command.page not in followed]
    assert all(text.startswith("make ") for text in others), others
    for beginning in NOT_RUN:
        assert any(command.text.startswith(beginning) for command in shown), beginning


def test_readme_has_the_installation_commands_of_the_guide() -> None:
    """The other tests follow the guide."""
    told = [shown.text for shown in commands("README.md", "Install")]
    assert told == [shown.text for shown in commands(INSTALL, FROM_A_CHECKOUT)]


@pytest.mark.parametrize("vault", ["openbao", "enterprise"], indirect=True)
def test_readme_and_how_tos_work(vault: Newcomer, request: pytest.FixtureRequest) -> None:
    """They lead from an installed program to docker over TLS; then each guide is followed."""
    quickstart = commands("README.md", "Quickstart")
    certificate = [command.text for command in quickstart].index("dockertls-vault issue client")
    follow(vault, quickstart[:certificate])
    host = commands(HOST)
    follow(vault, quickstart[certificate:])
    follow(vault, [command for command in host if command.section != UNDO])
    for page in OTHERS:
        follow(vault, commands(page))
    roll_back = commands(ROLL_BACK)
    follow(vault, [command for command in roll_back if command.section != REPLACED])
    vault.do(REPLACE)
    follow(vault, [command for command in roll_back if command.section == REPLACED])
    for name in ("ca", "server-cert", "server-key"):
        assert vault.do(f"cat /etc/docker/{name}.pem").strip() == name
    vault.do("cd ~/work && rm -rf /etc/docker/*.pem /etc/docker/.dockertls")
    vault.do(MOUNTS)
    existing = commands(EXISTING)
    steps = [command for command in existing if command.section != MOVE]
    follow(vault, steps, compare=_is_openbao(request))
    vault.do(HAND_MADE)
    start_docker(vault)
    follow(vault, [command for command in existing if command.section == MOVE])
    follow(
        vault, [shown for shown in host if shown.section == UNDO and shown.text != RESTART_DOCKER]
    )


def _is_openbao(request: pytest.FixtureRequest) -> bool:
    """Tell whether the output is that of the docs; the other servers add to it."""
    return bool(request.node.callspec.params["vault"] == "openbao")


def test_tutorial_works(vault: Newcomer, request: pytest.FixtureRequest) -> None:
    """With OpenBao it shows the output of each command; it leaves nothing behind."""
    vault.do("dockertls-vault ca init --domain example.internal")  # where it is not `dev`
    tutorial = commands(TUTORIAL)
    steps = [command for command in tutorial if command.section[:2] != "6."]
    vault.do(f"hostname {BARE_NAME} && echo 127.0.0.1 {BARE_NAME} >>/etc/hosts")
    follow(vault, steps, compare=_is_openbao(request))
    vault.do(f"hostname {NAME}")
    vault.stop(everything=True)
    follow(vault, [command for command in tutorial if command.section[:2] == "6."])
    assert vault.do("ls -A") == ""
