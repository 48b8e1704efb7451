"""Issuing into a directory that has a request: the same again, its hooks, and its renewal."""

from __future__ import annotations

import json
import shlex
import shutil
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from dockertls_vault.certificate.certificate import load_certificates
from dockertls_vault.cli import issue as cli_issue
from dockertls_vault.cli import main
from dockertls_vault.credential.registry import Registry
from dockertls_vault.errors import Locked
from dockertls_vault.host import identity

from .harness.missing import needs_root
from .mounts import lead_to

if TYPE_CHECKING:
    from pathlib import Path

    from .harness.openbao import DevVault


@pytest.fixture(autouse=True)
def vault(prepared: DevVault, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each command find a server with the CA of `ca init`."""
    lead_to(prepared, monkeypatch)


def issue(*arguments: object) -> int:
    """Run ``issue`` with the arguments, and return its exit status."""
    return main.run(["issue", *map(str, arguments)])


def request(directory: Path) -> dict[str, Any]:
    """Return what is recorded of the request."""
    found: dict[str, Any] = json.loads((directory / ".dockertls" / "request.json").read_text())
    return found


def script(path: Path, text: str) -> Path:
    """Write an executable shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


GIVEN = {
    "--host": "a.example.internal",
    "--ttl": "30m",
    "--key-type": "rsa-2048",
    "--hook": "true --quiet",
    "--window": "Sat 02:00-04:00",
}


def test_previous_request_is_repeated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message lists its options."""
    out = tmp_path / "s"
    options = [part for pair in GIVEN.items() for part in pair]
    assert issue("server", *options, "--reuse-key", "--dir", out) == 0
    assert "as requested before" not in capsys.readouterr().err
    first = request(out)
    assert issue("server", "--dir", out) == 0
    assert request(out) == first
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "requested before" in line]
    for option, value in GIVEN.items():
        assert option in said, value
    assert "--host a.example.internal" in said
    assert "--ttl 30m" in said
    assert "--window 'Sat 02:00-04:00'" in said
    assert "--reuse-key" in said


def test_options_taken_over_can_be_pasted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They request the same in another directory."""
    options = [part for pair in GIVEN.items() for part in pair]
    options += ["--host", "b.example.internal"]
    for given in (options, []):
        assert issue("server", *given, "--dir", tmp_path) == 0
    (said,) = [line for line in capsys.readouterr().err.splitlines() if "requested before" in line]
    pasted = shlex.split(said.removeprefix("as requested before: "))
    assert issue("server", *pasted, "--dir", tmp_path / "other") == 0
    assert request(tmp_path / "other") == request(tmp_path)


@pytest.mark.parametrize(
    ("option", "value", "field", "kept"),
    [
        ("--host", "b.example.internal", "dns_names", ["b.example.internal"]),
        ("--ttl", "1h", "ttl_seconds", 3600),
        ("--key-type", "ec-p256", "key_type", "ec-p256"),
        ("--hook", "none", "hooks", []),
        ("--window", "none", "window", None),
    ],
)
def test_option_takes_precedence_over_the_previous_request(
    tmp_path: Path, option: str, value: str, field: str, kept: object
) -> None:
    """The other options are still taken over."""
    options = [part for pair in GIVEN.items() for part in pair]
    assert issue("server", *options, "--dir", tmp_path) == 0
    before = request(tmp_path)
    assert issue("server", option, value, "--dir", tmp_path) == 0
    same = {"common_name"} if option == "--host" else set()
    after = request(tmp_path)
    assert {name for name in after if after[name] != before[name]} - same == {field}
    assert after[field] == kept


def test_variable_takes_precedence_over_the_previous_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does so like a flag: both are meant for this run."""
    assert issue("client", "--key-type", "rsa-2048", "--dir", tmp_path) == 0
    monkeypatch.setenv("DOCKERTLS_KEY_TYPE", "ec-p256")
    assert issue("client", "--dir", tmp_path) == 0
    assert request(tmp_path)["key_type"] == "ec-p256"


@pytest.mark.parametrize(("mount", "role"), [("dockertls", "server"), ("elsewhere", "client")])
def test_role_is_taken_over_only_at_the_same_mount(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mount: str,
    role: str,
) -> None:
    """Another mount has other roles, and other roots to trust."""
    assert issue("client", "--dir", tmp_path) == 0
    path = tmp_path / ".dockertls" / "request.json"
    kept = json.loads(path.read_text()) | {"role": "server", "trust_mount": "roots"}
    path.chmod(0o644)
    path.write_text(json.dumps(kept))
    monkeypatch.setattr(cli_issue, "open_session", _refuse)
    assert issue("client", "--mount", mount, "--dir", tmp_path) == Locked.exit_status
    said = capsys.readouterr().err
    assert ("--role server" in said) is (role == "server")
    assert ("--trust-mount roots" in said) is (role == "server")


def _refuse(*_arguments: object, **_options: object) -> None:
    raise Locked("enough")


def test_fresh_ignores_the_previous_request(tmp_path: Path) -> None:
    """The defaults apply again."""
    options = [part for pair in GIVEN.items() for part in pair if pair[0] != "--host"]
    assert issue("server", *options, "--dir", tmp_path) == 0
    assert issue("server", "--fresh", "--dir", tmp_path) == 0
    now = request(tmp_path)
    assert (now["hooks"], now["window"], now["ttl_seconds"]) == (None, None, 7 * 24 * 3600)


def test_detected_names_are_detected_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are not taken over like names that were given."""
    assert issue("server", "--dir", tmp_path) == 0
    monkeypatch.setattr(identity.socket, "gethostname", lambda: "renamed.example.internal")  # type: ignore[attr-defined]  # imported there
    assert issue("server", "--dir", tmp_path) == 0
    assert "renamed.example.internal" in request(tmp_path)["detected_names"]
    assert "--host" not in capsys.readouterr().err


def test_client_keeps_its_name_and_layout(tmp_path: Path) -> None:
    """This includes the directory that contains ``client``."""
    assert issue("client", "--name", "alice", "--layout", "dind", "--dir", tmp_path) == 0
    assert issue("client", "--dir", tmp_path) == 0
    (leaf,) = load_certificates((tmp_path / "client" / "cert.pem").read_bytes())
    assert leaf.subject.rfc4514_string() == "CN=alice"


def test_hook_runs_after_the_certificate_is_in_use(tmp_path: Path) -> None:
    """It finds the files by its variables."""
    seen = tmp_path / "seen"
    hook = script(tmp_path / "hook", f'cat "$DOCKERTLS_HOOK_CERT" > {seen}; echo "$1" >> {seen}')
    out = tmp_path / "c"
    assert issue("client", "--hook", f"{hook} 'two words'", "--dir", out) == 0
    assert seen.read_text() == (out / "cert.pem").read_text() + "two words\n"


def test_failed_hook_is_an_error_and_runs_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The certificate is in use; the next ``renew`` runs the hook although nothing is due."""
    seen = tmp_path / "seen"
    hook = script(tmp_path / "hook", f"echo once >> {seen}; test -e {tmp_path}/mended")
    out = tmp_path / "c"
    assert issue("client", "--hook", hook, "--dir", out, "-o", "json") == 71
    said = capsys.readouterr()
    result = json.loads(said.out)
    assert (result["ok"], result["kind"]) == (False, "issued")
    assert result["data"]["hooks"]["failure"]["reason"] == "exit status 1"
    assert f"error: the hook {hook} failed: exit status 1" in said.err
    assert "fix the cause, then run `dockertls-vault renew`" in said.err
    assert (out / "cert.pem").exists()
    (tmp_path / "mended").touch()
    assert main.run(["renew", str(out)]) == 0
    assert main.run(["renew", str(out)]) == 0
    assert seen.read_text() == "once\n" * 2


def test_hook_waits_for_its_window(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first certificate is not in service yet, so its hook does not wait."""
    seen = tmp_path / "seen"
    hook = script(tmp_path / "hook", f"echo once >> {seen}")
    in_hours = (datetime.now(UTC).astimezone() + timedelta(hours=3)).strftime("%H:00")
    later = (datetime.now(UTC).astimezone() + timedelta(hours=5)).strftime("%H:00")
    out = tmp_path / "c"
    options = ("--ttl", "12h", "--hook", hook, "--window", f"{in_hours}-{later}")
    assert issue("client", *options, "--dir", out) == 0
    assert seen.read_text() == "once\n"
    capsys.readouterr()
    assert issue("client", "--dir", out, "-o", "json") == 0
    said = capsys.readouterr()
    assert "hooks wait for their window, which opens at" in said.err
    assert json.loads(said.out)["data"]["hooks"]["waiting_until"] is not None
    assert seen.read_text() == "once\n"


def test_rollback_runs_the_hooks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What they restart would go on serving the other certificate."""
    seen = tmp_path / "seen"
    hook = script(tmp_path / "hook", f"echo $DOCKERTLS_HOOK_GENERATION >> {seen}")
    out = tmp_path / "s"
    for _ in range(2):
        assert issue("server", "--host", "localhost", "--hook", hook, "--dir", out) == 0
    assert main.run(["rollback", str(out)]) == 0
    first, second, back = seen.read_text().split()
    assert (first != second, back) == (True, first)
    assert "restart" not in capsys.readouterr().err
    hook.write_text("#!/bin/sh\nexit 3\n")
    assert main.run(["rollback", str(out), second, "-o", "json"]) == 71
    result = json.loads(capsys.readouterr().out)
    assert (result["ok"], result["data"]["generation"]["name"]) == (False, second)
    assert result["data"]["hooks"]["failure"]["reason"] == "exit status 3"


def test_rollback_to_what_hooks_ran_for_needs_no_restart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon still serves it if the newer one waited for its window."""
    hook = script(tmp_path / "hook", f"test ! -e {tmp_path}/broken")
    out = tmp_path / "s"
    assert issue("server", "--host", "localhost", "--hook", hook, "--dir", out) == 0
    (tmp_path / "broken").touch()
    assert issue("server", "--dir", out) == 71
    capsys.readouterr()
    assert main.run(["rollback", str(out)]) == 0
    assert "restart" not in capsys.readouterr().err


@pytest.mark.parametrize("purpose", ["server", "client"])
def test_renewal_without_a_hook_says_that_a_daemon_needs_a_restart(
    tmp_path: Path, purpose: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing else restarts it; a client reads its files each time."""
    assert issue(purpose, "--dir", tmp_path) == 0
    capsys.readouterr()
    assert main.run(["renew", "--force", str(tmp_path)]) == 0
    needed = f"{tmp_path}: restart its daemon, which reads the files only at startup"
    assert (needed in capsys.readouterr().err) is (purpose == "server")
    hooks = ("--hook", "true")
    assert issue(purpose, "--dir", tmp_path, *hooks) == 0
    capsys.readouterr()
    assert main.run(["renew", "--force", str(tmp_path)]) == 0
    assert needed not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (
            "--hook",
            "true; true",
            "'true; true' is not run by a shell, so ';' has no special meaning",
        ),
        ("--hook", "", "it is empty"),
        ("--hook", "no-such-program", "no executable 'no-such-program'"),
        ("--hook", "./here", "./here is relative"),
        ("--window", "Sat", "--window: invalid window: 'Sat'"),
    ],
)
def test_invalid_hook_is_refused_before_anything_is_touched(
    tmp_path: Path, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is requested from Vault."""
    assert issue("client", option, value, "--dir", tmp_path / "c") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_issued_credential_is_listed_for_renewal(tmp_path: Path) -> None:
    """Once, however often it is issued; ``renew`` finds it without its directory."""
    state, out = tmp_path / "state", tmp_path / "c"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKERTLS_STATE_DIR", str(state))
        for _ in range(2):
            assert issue("client", "--dir", out) == 0
        assert Registry(state).known() == (out,)
        before = (out / "cert.pem").read_bytes()
        assert main.run(["renew", "--force"]) == 0
    assert (out / "cert.pem").read_bytes() != before
    assert stat.S_IMODE((state / "credentials").stat().st_mode) == 0o755


def test_credential_that_is_gone_is_dropped_from_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether its directory was removed, or only what makes it a credential."""
    state = tmp_path / "state"
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(state))
    removed, emptied, kept = (tmp_path / name for name in ("removed", "emptied", "kept"))
    for out in (removed, emptied, kept):
        assert issue("client", "--dir", out) == 0
    shutil.rmtree(removed)
    shutil.rmtree(emptied / ".dockertls")
    assert main.run(["renew"]) == 0
    said = capsys.readouterr().err
    for out in (removed, emptied):
        assert f"the credential in {out} is gone, and will no longer be renewed" in said
    assert Registry(state).known() == (kept,)


def test_credential_that_cannot_be_listed_is_issued_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The certificate is needed now; the warning says how to renew it."""
    state = tmp_path / "state"
    state.write_text("a file")
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(state))
    assert issue("client", "--dir", tmp_path / "c") == 0
    said = capsys.readouterr().err
    assert "could not list this credential for renewal" in said
    assert f"`dockertls-vault renew {tmp_path / 'c'}` renews it" in said


@pytest.fixture
def of_nobody(shared_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let root issue a credential into a directory of the user nobody, with a registry of root."""
    needs_root("only root works in directories of others")
    out = shared_directory / "theirs"
    out.mkdir()
    shutil.chown(out, "nobody")
    monkeypatch.setenv("DOCKERTLS_STATE_DIR", str(shared_directory / "state"))
    assert issue("client", "--owner", "nobody", "--name", "nobody", "--dir", out) == 0
    return out


def edit(out: Path, **fields: object) -> None:
    """Change what is requested, as the owner of the directory can."""
    path = out / ".dockertls" / "request.json"
    changed = json.dumps(request(out) | fields)
    path.unlink()
    path.write_text(changed)
    shutil.chown(path, "nobody")


def test_root_renews_in_the_directory_of_another_user(of_nobody: Path) -> None:
    """It renews only what root requested."""
    before = (of_nobody / "cert.pem").read_bytes()
    assert main.run(["renew", "--force"]) == 0
    assert (of_nobody / "cert.pem").read_bytes() != before
    assert issue("client", "--dir", of_nobody, "--owner", "nobody") == 0
    assert request(of_nobody)["common_name"] == "nobody"


@pytest.mark.parametrize(
    "fields",
    [
        {"common_name": "admin"},
        {"purpose": "server", "role": "server", "dns_names": ["docker1.example.internal"]},
        {"mount": "other"},
        {"ttl_seconds": 86400},
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_root_signs_nothing_that_the_owner_wrote(
    of_nobody: Path, fields: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    """Root's token may allow more than the owner's; neither renewing nor issuing again uses it."""
    edit(of_nobody, **fields)
    before = (of_nobody / "cert.pem").read_bytes()
    assert main.run(["renew", "--force"]) in {69, 75}
    assert "does not contain what root requested" in capsys.readouterr().err
    assert (of_nobody / "cert.pem").read_bytes() == before
    if "purpose" not in fields:
        assert issue("client", "--dir", of_nobody, "--owner", "nobody", "--name", "n") == 0
        said = capsys.readouterr().err
        assert "ignored the previous request" in said
        assert "as requested before" not in said


def test_root_renews_detected_names_in_the_directory_of_another_user(
    of_nobody: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are detected by root at each renewal, so the owner cannot choose them."""
    shutil.rmtree(of_nobody / ".dockertls")
    assert issue("server", "--owner", "nobody", "--replace", "--dir", of_nobody) == 0
    name = "renamed.example.internal"
    monkeypatch.setattr(identity.socket, "gethostname", lambda: name)  # type: ignore[attr-defined]  # imported there
    for _ in range(2):
        assert main.run(["renew", "--force"]) == 0
    edit(of_nobody, dns_names=["docker9.example.internal"], common_name="docker9.example.internal")
    assert main.run(["renew", "--force"]) == 0
    assert name in request(of_nobody)["dns_names"]
    assert "docker9.example.internal" not in request(of_nobody)["dns_names"]
