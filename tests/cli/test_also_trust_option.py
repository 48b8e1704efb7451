"""The values of --also-trust and --also-trust-until."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from dockertls_vault.certificate import also_trusted
from dockertls_vault.certificate.also_trusted import AlsoTrusted, ending
from dockertls_vault.certificate.request import Purpose
from dockertls_vault.cli.also_trust_option import choose, parse_until
from dockertls_vault.errors import InvalidInput
from tests.certificates import SERVER_AUTH, Authority

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NOW = datetime.now(UTC).replace(microsecond=0)
DAY = timedelta(days=1)
MONTH = NOW + 30 * DAY
OLD, OTHER = (Authority.create(name) for name in ("old", "other"))
(KEPT,) = [AlsoTrusted(OLD.certificate, MONTH)]


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    """Return two files with a CA each."""
    names: list[str] = []
    for authority in (OLD, OTHER):
        path = tmp_path / f"{len(names)}.pem"
        path.write_bytes(authority.pem)
        names.append(str(path))
    return names[0], names[1]


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("30d", NOW + 30 * DAY),
        ("1h30m", NOW + timedelta(minutes=90)),
        ("2030-12-31", datetime(2031, 1, 1, tzinfo=UTC)),
        (f"{NOW:%Y-%m-%d}", datetime(NOW.year, NOW.month, NOW.day, tzinfo=UTC) + DAY),
    ],
)
def test_end_date_is_a_duration_or_the_end_of_a_day(text: str, end: datetime) -> None:
    """Who writes a day means that day, too."""
    assert parse_until(text, NOW) == end


@pytest.mark.parametrize(
    "text",
    ["", "none", "tomorrow", "30x", "2030-13-01", "2020-01-01", "9999-12-31", "0s", "-1d", "1ns"],
)
def test_end_date_that_is_none_is_refused(text: str) -> None:
    """Also one that has passed."""
    with pytest.raises(InvalidInput, match="--also-trust-until: "):
        parse_until(text, NOW + timedelta(microseconds=5))


def test_files_are_read_with_one_end_date(files: tuple[str, str]) -> None:
    """A CA that two files contain counts once."""
    found = choose([*files, files[0]], "30d", (), NOW, Purpose.CLIENT)
    assert found == (KEPT, AlsoTrusted(OTHER.certificate, MONTH))


def test_useless_ca_is_refused_with_its_file(tmp_path: Path) -> None:
    """It may be of use for the other end."""
    file = tmp_path / "old.pem"
    only_servers = x509.ExtendedKeyUsage([SERVER_AUTH])
    file.write_bytes(Authority.create(extra=[only_servers]).pem)
    with pytest.raises(InvalidInput, match=f"--also-trust: {file}: .* lacks clientAuth"):
        choose([str(file)], "30d", (), NOW, Purpose.CLIENT)
    assert len(choose([str(file)], "30d", (), NOW, Purpose.SERVER)) == 1


def test_files_are_limited_together(
    files: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request with more than 1 MiB could be written, and not be read again."""
    monkeypatch.setattr(also_trusted, "LARGEST", max(len(OLD.pem), len(OTHER.pem)))
    with pytest.raises(InvalidInput, match="--also-trust: the files together have more than"):
        choose(files, "30d", (), NOW, Purpose.CLIENT)
    assert choose(files[:1], "30d", (), NOW, Purpose.CLIENT) == (KEPT,)


def test_what_is_not_given_is_as_before(files: tuple[str, str]) -> None:
    """The CAs, or their end date, unless it has passed; `none` drops them."""
    assert choose(None, None, [KEPT], NOW, Purpose.CLIENT) == (KEPT,)
    assert choose(None, "7d", [KEPT], NOW, Purpose.CLIENT) == ending([KEPT], NOW + 7 * DAY)
    assert choose([files[1]], None, [KEPT], NOW, Purpose.CLIENT) == (
        AlsoTrusted(OTHER.certificate, MONTH),
    )
    assert choose(["none"], None, [KEPT], NOW, Purpose.CLIENT) == ()
    assert choose(None, None, [KEPT], MONTH, Purpose.CLIENT) == ()


@pytest.mark.parametrize(
    ("given", "end", "message"),
    [
        (["FILE"], None, "--also-trust needs an end date"),
        (None, "30d", "--also-trust-until without --also-trust"),
        (["none"], "30d", "--also-trust-until has no meaning with --also-trust none"),
        (["FILE", "none"], "30d", "among other files"),
        ([""], "30d", "--also-trust: ''"),
        (["/nonexistent/ca.pem"], "30d", "cannot be read: No such file or directory"),
        (["/"], "30d", "cannot be read: Is a directory"),
        (["/dev/zero"], "30d", "cannot be read: it has more than 4 MiB"),
        (["/dev/null"], "30d", "/dev/null: it holds no certificates"),
    ],
)
def test_incomplete_options_are_refused(
    given: Sequence[str] | None, end: str | None, message: str, files: tuple[str, str]
) -> None:
    """The message names the option or the file."""
    names = None if given is None else [files[0] if each == "FILE" else each for each in given]
    with pytest.raises(InvalidInput) as caught:
        choose(names, end, (), NOW, Purpose.CLIENT)
    assert message in caught.value.message
    assert caught.value.hint
