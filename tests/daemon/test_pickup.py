"""How a host picks up new files: what its set-up says, for the daemon that it is about."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dockertls_vault.daemon import pickup
from dockertls_vault.daemon.pickup import Pickup

if TYPE_CHECKING:
    from pathlib import Path

SET_UP = {
    "version": 1,
    "certificates": "/etc/docker/tls",
    "listen": ["[::]:2376"],
    "pickup": "restart",
    "added": ["what `daemon configure --remove` needs"],
}


def write(state: Path, content: object) -> str:
    """Write set-up.json as `daemon configure` does, or a text; return the state directory."""
    (state / "daemon").mkdir(parents=True)
    text = content if isinstance(content, str) else json.dumps(content)
    (state / "daemon" / "set-up.json").write_text(text)
    return str(state)


def test_set_up_is_for_one_daemon(tmp_path: Path) -> None:
    """It may be in the subdirectory of docker:dind; others have none, nor has another host."""
    ours, other, link = (tmp_path / name for name in ("ours", "other", "link"))
    ours.mkdir()
    link.symlink_to(ours)
    state = write(tmp_path / "state", SET_UP | {"certificates": str(ours)})
    assert pickup.of(state, str(ours)) is Pickup.RESTART
    assert pickup.of(state, str(link)) is Pickup.RESTART
    assert pickup.of(state, str(ours / "server")) is Pickup.RESTART
    assert pickup.of(state, str(other)) is Pickup.NONE
    assert pickup.of(str(tmp_path / "nowhere"), str(ours)) is Pickup.NONE


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "[" * 10**5,
        SET_UP | {"version": 2, "certificates": "/elsewhere"},
        SET_UP | {"pickup": "prayer"},
        SET_UP | {"certificates": None},
        {key: value for key, value in SET_UP.items() if key != "certificates"},
    ],
    ids=str,
)
def test_corrupt_set_up_is_not_taken_for_none(content: object, tmp_path: Path) -> None:
    """The restart fails, and says why: the daemon must not silently keep its old certificate."""
    state = write(tmp_path / "state", content)
    assert pickup.of(state, "/etc/docker/tls") is Pickup.RESTART


@pytest.mark.parametrize(
    ("content", "listens"),
    [
        (SET_UP, ("[::]:2376",)),
        (SET_UP | {"listen": ["10.0.0.7:1", "[::1]:2"]}, ("10.0.0.7:1", "[::1]:2")),
        (SET_UP | {"listen": None}, ()),
        (SET_UP | {"version": 2}, ()),
        ("", ()),
        ("[" * 10**5, ()),
    ],
    ids=str,
)
def test_set_up_says_where_the_daemon_listens(
    content: object, listens: tuple[str, ...], tmp_path: Path
) -> None:
    """A damaged one does not; nor does it for the credential of another daemon."""
    state = write(tmp_path / "state", content)
    assert pickup.listens(state) == listens
    assert pickup.listens(state, "/etc/docker/tls") == listens
    assert pickup.listens(state, "/etc/docker/tls/server") == listens
    assert pickup.listens(state, str(tmp_path)) == ()
    assert pickup.listens(str(tmp_path / "nowhere")) == ()
