"""A host set up by hand moves to Vault's certificates, exactly as in the guide."""

from __future__ import annotations

import json
import shlex
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from . import console
from .harness.host import Host, running_host
from .harness.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .harness.engine import Engine

pytestmark = pytest.mark.slow

PAGE = "docs/how-to/move-a-hand-made-host.md"
# As books and Docker's own page have it: a CA behind a passphrase, no EKU for the server, keys made
# on the daemon's host and copied to the clients, and DOCKER_OPTS in Debian's environment file.
BY_HAND = """\
set -e
cd /etc/docker
export PASSPHRASE=tiger
sign="openssl x509 -req -days 365 -sha256 -CA ca.pem -CAkey ca-key.pem -passin env:PASSPHRASE"
openssl genrsa -aes256 -passout env:PASSPHRASE -out ca-key.pem 2048
openssl req -new -x509 -days 365 -key ca-key.pem -passin env:PASSPHRASE -out ca.pem \\
    -subj "/CN=old CA"
openssl genrsa -out server-key.pem 2048
openssl req -subj /CN=worker -new -key server-key.pem -out server.csr
echo "subjectAltName = DNS:worker,DNS:localhost,IP:10.0.0.7,IP:127.0.0.1" >server.cnf
$sign -CAcreateserial -in server.csr -out server-cert.pem -extfile server.cnf
openssl genrsa -out key.pem 2048
openssl req -subj /CN=client -new -key key.pem -out client.csr
echo "extendedKeyUsage = clientAuth" >client.cnf
$sign -CAcreateserial -in client.csr -out cert.pem -extfile client.cnf
chmod 0400 ca-key.pem key.pem server-key.pem
chmod 0444 ca.pem server-cert.pem cert.pem
rm client.csr server.csr
cat >>/etc/default/docker <<'END'
DOCKER_OPTS="--tlsverify --tlscacert=/etc/docker/ca.pem --tlscert=/etc/docker/server-cert.pem \\
--tlskey=/etc/docker/server-key.pem -H tcp://0.0.0.0:2376 -H unix:///var/run/docker.sock"
END
systemctl restart docker.service
for user in alice bob; do
    useradd --create-home $user
    mkdir /home/$user/.docker
    cp ca.pem cert.pem key.pem /home/$user/.docker
    chown -R $user /home/$user/.docker
done
dockertls-vault ca init --allow-any-name --yes
"""
# Another host: a network namespace with an address of its own.
OTHER = "10.0.1.2"
OTHER_HOST = f"""\
set -e
ip netns add other
ip link add other type veth peer name eth0 netns other
ip addr add 10.0.1.1/24 dev other
ip link set other up
ip -n other addr add {OTHER}/24 dev eth0
ip -n other link set eth0 up
ip -n other route add default via 10.0.1.1
"""
CALL = "docker --tlsverify -H tcp://10.0.0.7:2376 version --format '{{.Server.Os}}'"
# The exit status for each verdict; another one is 3.
STATUSES = {"nobody": 0, "rejected": 1}
CLIENTS = "dockertls-vault daemon clients -o json"
REJECTIONS = "journalctl --sync; journalctl --unit=docker.service | grep --count 'handshake error'"
RENEWAL = "dockertls-vault renew --force /etc/docker/tls"
# systemd's limit is for people; each step of the guide restarts dockerd once.
NO_LIMIT = "systemctl reset-failed docker.service"


# What the guide about rolling back says of a backup, after trying the way without take-over.
PUT_BACK = """\
set -e
cd /etc/docker
mv -f .dockertls/backup/*/ca.pem ca.pem
mv -f .dockertls/backup/*/cert.pem server-cert.pem
mv -f .dockertls/backup/*/key.pem server-key.pem
rm -r .dockertls
systemctl reset-failed docker.service
systemctl restart docker.service
"""

# It accepts the same clients as dockerd, and logs elsewhere whom it rejects.
OTHER_PROGRAM = """\
systemd-run --quiet openssl s_server -accept 443 -www -Verify 1 -CAfile /etc/docker/tls/ca.pem \
    -cert /etc/docker/tls/server-cert.pem -key /etc/docker/tls/server-key.pem
"""

# What two log drivers send to the journal in dockerd's name, more than is read of it.
FORGED = "http: TLS handshake error from 203.0.113.9:1: tls: client didn't provide a certificate"
CONTAINERS = f"""\
set -e
mkdir /etc/systemd/journald.conf.d
printf '[Journal]\\nRateLimitBurst=0\\n' >/etc/systemd/journald.conf.d/no-limit.conf
systemctl restart systemd-journald.service
tar -ch -C / bin/seq bin/echo $(ldd /bin/seq /bin/echo | grep -o '/lib[^ ]*' | sort -u) |
    docker import - small
run="docker run --rm --network none"
for driver in syslog journald; do
    $run --log-driver $driver --log-opt tag=dockerd small /bin/echo "{FORGED}"
done
$run --log-driver journald small /bin/seq 60000 >/dev/null
journalctl --sync
"""


@pytest.fixture(scope="module")
def host(engine: Engine, host_image: str, host_program: Path) -> Iterator[Host]:
    """Return a host that was set up by hand, with two clients, and a Vault with a CA."""
    with running_host(engine, host_image, host_program) as booted:
        booted.do(BY_HAND)
        booted.do(OTHER_HOST)
        yield booted


def follow(host: Host, title: str, user: str = "root", *, only: str = "", clients: int = 3) -> str:
    """Run the commands of a section, or those that show ``only``, and compare their output.

    ``clients`` is the exit status of `daemon clients` that the guide leads to there: 0 if it is
    proven that nobody needs the old CA, 1 if somebody does, 3 if that is unknown.
    """
    host.do(NO_LIMIT)
    found = [shown for shown in console.commands(PAGE) if shown.section == title]
    chosen = [shown for shown in found if only in shown.text or only in shown.output]
    assert chosen, title
    printed = ""
    for shown in chosen:
        status, printed = host.run(shown.text, user)
        assert console.not_printed(shown.output, printed) == [], f"$ {shown.text}\n{printed}"
        expected = clients if "daemon clients" in shown.text else 0
        assert status == expected, f"$ {shown.text}\n{printed}"
    return printed


def works(host: Host, user: str) -> bool:
    """Tell whether the daemon answers the client of a user on another host."""
    return host.run(f"ip netns exec other su {user} -c {shlex.quote(CALL)}") == (0, "linux\n")


@contextmanager
def rejecting(host: Host) -> Iterator[None]:
    """Wait until dockerd has logged what it rejects in the block, which it does afterwards."""

    def rejections() -> int:
        return int(host.run(REJECTIONS)[1])

    before = rejections()
    yield
    wait_until(lambda: rejections() > before)


def verdict(host: Host, user: str = "root") -> dict[str, Any]:
    """Return what `daemon clients` tells."""
    status, printed = host.run(f"{CLIENTS} 2>/dev/null", user)
    data: dict[str, Any] = json.loads(printed)["data"]
    assert status == STATUSES.get(data["verdict"], 3)
    return data


def others(host: Host, user: str = "root") -> tuple[str, str, list[tuple[str, str]]]:
    """Return the verdict, since when it holds, and which other hosts were rejected, and why."""
    found = verdict(host, user)
    rejected = [each for each in found["rejected"] if not each["is_this_host"]]
    who = [(each["address"], each["reason"]) for each in rejected]
    return found["verdict"], found["logged_since"], who


def test_lock_out_is_named_before_anything_is_touched(host: Host) -> None:
    """Whoever skips the guide is led to it: the plan names the CA whose clients it rejects."""
    host.do("dockertls-vault issue server")
    plan = "dockertls-vault daemon configure --take-over --dry-run"
    printed = host.do(plan)
    assert "warning: the new ca.pem no longer contains CN=old CA (SHA-256 " in printed
    assert "--also-trust /etc/docker/ca.pem --also-trust-until DATE`" in printed
    assert PAGE in printed
    assert printed.index('"tlsverify": true') < printed.index("warning: ")
    removed = json.loads(host.do(f"{plan} -o json 2>/dev/null"))["data"]["removed_cas"]
    assert [ca["subject"] for ca in removed] == ["CN=old CA"]
    assert works(host, "alice")
    host.do("rm -r /etc/docker/tls")


def test_old_and_new_clients_call_the_daemon_at_each_step(host: Host) -> None:
    """Until the old CA is removed, which `daemon clients` helps to decide."""
    assert works(host, "alice")
    follow(host, "1. Issue the daemon's certificate")
    assert works(host, "alice")
    follow(host, "2. Accept both CAs")
    assert works(host, "alice")
    assert verdict(host)["verdict"] == "accepted"
    advice = host.run("dockertls-vault daemon clients")[1]
    assert "once dockerd uses a certificate from Vault, which it does not yet" in advice
    follow(host, "3. Move each client", "alice")
    assert works(host, "alice")
    assert works(host, "bob")
    host.do("cp --remove-destination /etc/docker/tls/ca.pem /home/bob/.docker/ca.pem")
    assert works(host, "bob")
    follow(host, "If dockerd keeps its settings")
    advice = host.run("dockertls-vault daemon clients")[1]
    assert "server --dir /etc/docker --also-trust none`, restart dockerd unless" in advice
    assert works(host, "alice")
    assert works(host, "bob")
    host.do(PUT_BACK)
    follow(host, "4. Change the daemon's certificate")
    assert works(host, "alice")
    assert works(host, "bob")
    advice = host.run("dockertls-vault daemon clients")[1]
    assert "`sudo -E dockertls-vault issue server --also-trust none`, and run this" in advice
    host.do("cp -r /home/bob/.docker /tmp; cp /etc/docker/old-ca.pem /home/bob/.docker/ca.pem")
    with rejecting(host):
        assert not works(host, "bob")
    host.do("cp -r /tmp/.docker /home/bob")
    rejected = verdict(host)["rejected"]
    assert (OTHER, "server-rejected") in [(each["address"], each["reason"]) for each in rejected]
    assert verdict(host)["verdict"] == "accepted"


def test_trial_names_who_still_needs_the_old_ca(host: Host) -> None:
    """A rollback lets them in again; the end date is then set anew."""
    title = "5. Find out who still needs the old CA"
    follow(host, title, only="dockerd does not log it", clients=3)
    follow(host, title, only="--also-trust none")
    assert works(host, "alice")
    with rejecting(host):
        host.run("dockertls-vault check tcp://10.0.0.7:2376")  # this host is no other one
    found = verdict(host)
    assert "10.0.0.7" in [each["address"] for each in found["rejected"]]
    assert found["verdict"] == "nobody"
    with rejecting(host):
        assert not works(host, "bob")
    printed = follow(host, title, only="another host was rejected", clients=1)
    assert "`sudo dockertls-vault daemon restart` starts the count over" in printed
    assert others(host) == ("rejected", found["logged_since"], [(OTHER, "no-certificate")])
    follow(host, title, only="rollback")
    assert works(host, "bob")
    follow(host, title, only="14d")
    assert works(host, "bob")
    assert host.do("dockertls-vault renew /etc/docker/tls -o json").count('"nothing"') == 1
    assert works(host, "bob")


def test_trial_goes_on_across_restarts(host: Host) -> None:
    """What dockerd logged while it accepted the old CA does not count; an admin starts over."""
    host.do(f"{NO_LIMIT}; dockertls-vault issue server --also-trust none")
    word, since, rejected = others(host)
    assert (word, rejected) == ("nobody", [])
    with rejecting(host):
        assert not works(host, "bob")
    for restart in (RENEWAL, "systemctl restart docker.service"):
        host.do(f"{NO_LIMIT}; {restart}")
        assert works(host, "alice")
        assert others(host) == ("rejected", since, [(OTHER, "no-certificate")])
    host.do("useradd --create-home --groups systemd-journal carol")
    assert others(host, "carol") == others(host)
    host.do("chmod 0600 /var/lib/dockertls-vault/daemon/set-up.json")
    assert others(host, "carol")[0] == "unknown"
    host.do("chmod 0644 /var/lib/dockertls-vault/daemon/set-up.json")
    follow(host, "5. Find out who still needs the old CA", only="daemon restart")
    word, begun, rejected = others(host)
    assert (word, begun > since, rejected) == ("nobody", True, [])
    for restart in (RENEWAL, "systemctl restart docker.service"):
        host.do(f"{NO_LIMIT}; {restart}")
        assert others(host) == ("nobody", begun, [])


def test_nothing_of_before_is_left(host: Host) -> None:
    """The keys are named until they are removed."""
    names = ("ca-key.pem", "key.pem", "server-key.pem")
    assert verdict(host)["old_keys"] == [f"/etc/docker/{name}" for name in names]
    title = "6. Remove what is left"
    follow(host, title, "alice", only="--also-trust none")
    follow(host, title, only="sudo rm")
    follow(host, title, "alice", only="rm -rf ~")
    host.do(f"{NO_LIMIT}; systemctl restart docker.service")
    assert works(host, "alice")
    found = verdict(host)
    assert (found["verdict"], found["old_keys"]) == ("nobody", [])
    host.do(OTHER_PROGRAM)
    wait_until(lambda: host.run("bash -c '</dev/tcp/127.0.0.1/443'")[0] == 0)
    status, printed = host.run("dockertls-vault daemon clients --port 443")
    assert status == 3
    assert "log does not show the connection that this command has just made" in " ".join(
        printed.split()
    )
    status, printed = host.run("dockertls-vault daemon configure --remove --yes")
    assert (status, "/etc/default/docker: /etc/docker/ca.pem" in printed) == (78, True), printed
    assert works(host, "alice")
    assert host.do("ls /etc/docker").split() == ["daemon.json", "key.json", "tls"]


def test_container_neither_hides_nor_forges_a_rejection(host: Host) -> None:
    """Though dockerd itself sends to the journal what they print."""
    with rejecting(host):
        assert not works(host, "bob")
    host.do(CONTAINERS)
    found = verdict(host)
    assert found["verdict"] == "rejected"
    others = {each["address"] for each in found["rejected"] if not each["is_this_host"]}
    assert others == {OTHER}
