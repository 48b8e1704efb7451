"""Which keys, and who can access them, are faults."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon.examination import keys
from dockertls_vault.daemon.examination.keys import Access
from dockertls_vault.files.writers import Writer

if TYPE_CHECKING:
    from dockertls_vault.docker.diagnosis.report import CheckResult

READ, WRITE = Writer("every user", "chmod o-r"), Writer("the group a", "chmod g-w", "a")
KEY = Access(Path("/tls/server-key.pem"), ())
OPEN = Access(Path("/tls/server-key.pem"), (READ,))
OF_A_CA = Access(Path("/tls/ca-key.pem"), ())


@pytest.mark.parametrize(
    ("path", "is_key", "is_ca_key"),
    [
        ("ca-key.pem", True, True),
        ("ca.key", True, True),
        ("my-ca-key.pem", True, True),
        ("CA_key.pem", True, True),
        ("ca/key.pem", True, True),
        ("server-key.pem", True, False),
        ("key.pem", True, False),
        ("oscar-key.pem", True, False),
        ("client.KEY", True, False),
        ("ca.pem", False, True),
        ("server-cert.pem", False, False),
        ("key.json", False, False),
    ],
)
def test_keys_are_recognized_by_their_names(path: str, is_key: bool, is_ca_key: bool) -> None:
    """As guides name them."""
    assert keys.is_key(Path("/etc/docker", path)) is is_key
    assert keys.is_ca_key(Path("/etc/docker", path)) is is_ca_key


def judged(
    *found: Access,
    directories: tuple[Access, ...] = (),
    settings: tuple[Access, ...] = (),
    unknown: tuple[str, ...] = (),
) -> CheckResult:
    """Judge these keys."""
    return keys.judge_keys(found, directories, settings, unknown)


@pytest.mark.parametrize(
    ("found", "result", "words"),
    [
        (judged(KEY), "ok", "no other user can access /tls/server-key.pem"),
        (judged(), "ok", "no key"),
        (judged(KEY, unknown=("needs root: /x",)), "skipped", "needs root: /x"),
        (judged(OPEN, unknown=("needs root: /x",)), "error", "every user can read /tls/server"),
        (judged(OF_A_CA), "warning", "the key of a CA is on this host: /tls/ca-key.pem"),
        (judged(Access(OF_A_CA.path, (READ,))), "critical", "every user can read /tls/ca-key"),
        (judged(OPEN, OF_A_CA), "error", "\nthe key of a CA is on this host"),
        (
            judged(KEY, directories=(Access(Path("/tls"), (WRITE,)),)),
            "error",
            "the group a can write to /tls",
        ),
        (judged(KEY, directories=(Access(Path("/tls"), ()),)), "ok", "no other user"),
        (
            judged(KEY, settings=(Access(Path("/etc/docker/daemon.json"), ()),)),
            "ok",
            "no other user",
        ),
        (
            judged(KEY, settings=(Access(Path("/etc/docker/daemon.json"), (WRITE,)),)),
            "error",
            "the group a can write to /etc/docker/daemon.json",
        ),
    ],
)
def test_key_that_others_can_access_is_an_error(
    found: CheckResult, result: str, words: str
) -> None:
    """That of a CA should not be there at all."""
    assert found.result == result
    assert words in found.summary
    assert bool(found.remedy) == (result not in {"ok", "skipped"})


def test_remedies_can_be_pasted() -> None:
    """Paths are quoted."""
    found = judged(Access(Path("/a b/key.pem"), (READ, WRITE)))
    assert (found.remedy or "").startswith("chmod o-r '/a b/key.pem' and chmod g-w '/a b/key.pem'")
