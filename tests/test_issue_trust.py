"""A new ca.pem may make peers untrusted, which is reported beforehand."""

from __future__ import annotations

import json
import os
import pwd
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509

from dockertls_vault.certificate import verify
from dockertls_vault.certificate.certificate import certificates_pem
from dockertls_vault.cli import main, speech

from .certificates import Authority
from .harness.missing import as_root
from .mounts import init, intermediate, lead_to
from .vault.misbehaving import misbehaving, says

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from dockertls_vault.certificate.chain import Chain

    from .certificates import Issued
    from .fake_vault import FakeVault, Order
    from .harness.openbao import DevVault
    from .vault.misbehaving import Node


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    """Run a command, expect success, and return the data of its JSON."""
    assert main.run([*map(str, arguments), "-o", "json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    return data


def by_hand(out: Path, *bundle: x509.Certificate, names: tuple[str, str]) -> None:
    """Write a credential made by hand with another CA."""
    out.mkdir(parents=True)
    (out / "ca.pem").write_bytes(certificates_pem(bundle))
    for name in names:
        (out / name).write_text("by hand")


@pytest.mark.parametrize(
    ("arguments", "names", "consequence"),
    [
        (
            ["server", "--host", "localhost"],
            ("server-cert.pem", "server-key.pem"),
            "once dockerd restarts, it rejects client certificates issued by this CA",
        ),
        (
            ["client"],
            ("cert.pem", "key.pem"),
            "server certificates issued by this CA are no longer trusted",
        ),
    ],
)
def test_each_ca_removed_from_ca_pem_is_a_warning(
    arguments: list[str],
    names: tuple[str, str],
    consequence: str,
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The warning is printed even with --quiet, unless the CA has expired."""
    lead_to(prepared, monkeypatch)
    old, other = (Authority.create(name) for name in ("by hand", "of another team"))
    long_ago = datetime.now(UTC) - timedelta(days=10)
    expired = Authority.create("old", not_before=long_ago, lifetime=timedelta(days=1))
    bundle = (old.certificate, expired.certificate, other.certificate)
    by_hand(tmp_path / "d", *bundle, names=names)
    command = ["issue", *arguments, "--dir", str(tmp_path / "d"), "--replace", "-q", "-o", "json"]
    assert main.run(command) == 0
    captured = capsys.readouterr()
    lost = json.loads(captured.out)["data"]["removed_cas"]
    assert [ca["subject"] for ca in lost] == ["CN=by hand", "CN=of another team"]
    warned = [line for line in captured.err.splitlines() if line.startswith("warning: the new ca")]
    assert warned == [
        f"warning: the new ca.pem no longer contains {ca['subject']} "
        f"(SHA-256 {ca['fingerprint_sha256']}, valid until "
        f"{ca['not_after'].replace('T', ' ').removesuffix('Z')} UTC): {consequence}; "
        "with --also-trust FILE it stays trusted until a date"
        for ca in lost
    ]
    # The second run replaces our own credential, and no CA is removed.
    assert main.run(command) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["data"]["removed_cas"] == []
    assert "lacks" not in captured.err


def test_removed_ca_is_reported_before_anything_happens(
    fake: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By then nothing is signed and nothing replaced."""
    lead_to(fake, monkeypatch)
    by_hand(tmp_path / "d", Authority.create().certificate, names=("cert.pem", "key.pem"))
    there: list[str] = []

    def interrupted(_label: str, _text: str) -> None:
        there.extend(path.name for path in (tmp_path / "d").iterdir())
        raise KeyboardInterrupt

    monkeypatch.setattr(speech, "say", interrupted)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "d"), "--replace"]) == 130
    assert sorted(there) == ["ca.pem", "cert.pem", "key.pem"]
    assert fake.orders == []


def test_ca_missing_from_another_mount_is_reported(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without --replace, too: another mount has other trusted roots."""
    lead_to(prepared, monkeypatch)
    init(prepared, "another")
    first = run(capsys, "issue", "client", "--dir", tmp_path / "c")
    second = run(capsys, "issue", "client", "--mount", "another", "--dir", tmp_path / "c")
    assert second["removed_cas"] == first["trusted_roots"]


def empty(path: Path) -> None:
    """Leave the file empty."""
    path.write_text("")


def damaged(path: Path) -> None:
    """Leave text that is not PEM."""
    path.write_text("no PEM")


def a_link_to_nothing(path: Path) -> None:
    """Leave a dangling link."""
    path.symlink_to("nowhere")


def a_link_to_a_fifo(path: Path) -> None:
    """Leave a link to a FIFO, which blocks a reader."""
    os.mkfifo(path.with_name("fifo"))
    path.symlink_to("fifo")


def a_link_to_a_device_without_end(path: Path) -> None:
    """Leave a link to an endless device."""
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    "make", [empty, damaged, a_link_to_nothing, a_link_to_a_fifo, a_link_to_a_device_without_end]
)
def test_unreadable_ca_pem_gives_no_warning(
    make: Callable[[Path], None],
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It trusted nobody; a FIFO or an endless file is not read."""
    lead_to(prepared, monkeypatch)
    (tmp_path / "c").mkdir()
    make(tmp_path / "c" / "ca.pem")
    issued = run(capsys, "issue", "client", "--dir", tmp_path / "c", "--replace")
    assert issued["removed_cas"] == []


def test_intermediate_below_a_kept_root_gives_no_warning(
    prepared: DevVault,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Peers send it along with their certificates, and stay trusted."""
    lead_to(prepared, monkeypatch)
    intermediate(prepared, "below")
    run(capsys, "issue", "server", "--host", "localhost", "--mount", "below", "--dir", tmp_path)
    chain = x509.load_pem_x509_certificates((tmp_path / "server-cert.pem").read_bytes())
    by_hand(tmp_path / "c", chain[1], names=("cert.pem", "key.pem"))
    arguments = ("--mount", "below", "--dir", tmp_path / "c", "--replace")
    assert run(capsys, "issue", "client", *arguments)["removed_cas"] == []


@as_root
def test_ca_pem_unreadable_to_the_owner_is_not_disclosed(
    prepared: DevVault,
    shared_directory: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's ca.pem may be a link to a file of root's."""
    lead_to(prepared, monkeypatch)
    secret, out = shared_directory / "secret.pem", shared_directory / "out"
    out.mkdir()
    secret.write_bytes(certificates_pem([Authority.create().certificate]))
    (out / "ca.pem").symlink_to(secret)
    os.chown(out, pwd.getpwnam("nobody").pw_uid, -1)
    command = ["issue", "client", "--dir", str(out), "--owner", "nobody", "--replace"]
    for mode, said in ((0o600, False), (0o644, True)):
        secret.chmod(mode)
        main.run(command)
        assert ("the new ca.pem no longer contains" in capsys.readouterr().err) == said


def test_roots_are_read_while_vault_signs(
    fake: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server answers the read only once it has signed."""
    lead_to(fake, monkeypatch)
    has_signed = threading.Event()

    def sign(order: Order) -> Issued:
        has_signed.set()
        return order.honest()

    fake.answer = sign
    fake.before_reading = lambda: has_signed.wait(60)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "d"), "--timeout", "50s"]) == 0


@pytest.mark.parametrize(
    ("status", "said", "words"),
    [
        ("500 Oops", "internal error", "Vault failed at dockertls/sign/client: internal error"),
        ("400 Bad Request", "no", "nothing is mounted in Vault for 'dockertls/issuers'"),
    ],
    ids=["Vault may have signed", "Vault did not sign"],
)
def test_possible_signature_is_reported_before_a_missing_root(
    status: str,
    said: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """If both the signature and the read of the roots fail; a refusal blames the mount."""

    def answer(node: Node, connection: socket.socket) -> None:
        if "/sign/" in node.paths[-1]:
            says(said, status=status)(node, connection)
        else:
            says("no handler for route", status="404 Not Found")(node, connection)

    with misbehaving(answer) as node:
        monkeypatch.setenv("VAULT_ADDR", node.address)
        monkeypatch.setenv("VAULT_TOKEN", "t")
        assert main.run(["issue", "client", "--dir", str(tmp_path / "d")]) != 0
    assert words in " ".join(capsys.readouterr().err.split())


def test_signal_before_the_installation_installs_nothing(
    fake: FakeVault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate has been signed and verified by then."""
    lead_to(fake, monkeypatch)
    genuine = verify.verify

    def verified(*arguments: Any, **more: Any) -> Chain:
        found = genuine(*arguments, **more)
        os.kill(os.getpid(), signal.SIGTERM)
        return found

    monkeypatch.setattr(verify, "verify", verified)
    assert main.run(["issue", "client", "--dir", str(tmp_path / "d")]) == 143
    assert len(fake.orders) == 1
    assert list((tmp_path / "d").glob("*.pem")) == []
