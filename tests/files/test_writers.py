"""Who can write to a file or directory besides trusted users, by mode, ACL and groups."""

from __future__ import annotations

import grp
import os
import pwd

import pytest

from dockertls_vault.files import writers
from dockertls_vault.files.acl import Entry, Tag
from tests.acls import ALL, READ, WRITE, group, user

ALICE, BOB, CAROL, STAFF, SHARED, NAMELESS = 5001, 5002, 5003, 6001, 6002, 7777
TRUST = writers.Trust(frozenset({0, ALICE}))
USERS = {"root": (0, 0), "alice": (ALICE, ALICE), "bob": (BOB, BOB), "carol": (CAROL, SHARED)}
# A user's primary group does not list that user as a member.
GROUPS = {
    "root": (0, []),
    "alice": (ALICE, ["alice"]),
    "bob": (BOB, []),
    "staff": (STAFF, []),
    "shared": (SHARED, ["alice"]),
}


@pytest.fixture(autouse=True)
def _accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system know only the accounts in the tables."""
    know(monkeypatch)


def know(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pwd and grp return the users and groups of the tables."""
    users = {
        uid: pwd.struct_passwd((name, "x", uid, gid, "", "/", ""))
        for name, (uid, gid) in USERS.items()
    }
    groups = {
        gid: grp.struct_group((name, "x", gid, members)) for name, (gid, members) in GROUPS.items()
    }
    monkeypatch.setattr(pwd, "getpwuid", users.__getitem__)
    monkeypatch.setattr(pwd, "getpwall", lambda: list(users.values()))
    monkeypatch.setattr(grp, "getgrgid", groups.__getitem__)


def status(mode: int, gid: int = STAFF) -> os.stat_result:
    """Return the status of a directory that belongs to alice."""
    return os.stat_result((0o040000 | mode, 1, 1, 2, ALICE, gid, 0, 0, 0, 0))


def names(
    mode: int, gid: int = STAFF, *entries: Entry, trust: writers.Trust = TRUST
) -> list[tuple[str, str]]:
    """Return the name of each writer and the command that removes the permission."""
    found = writers.untrusted_writers(status(mode, gid), entries, trust)
    return [(writer.name, writer.remedy) for writer in found]


STAFFS = ("the group staff", "chmod g-w")
EVERY_USER = ("every user", "chmod o-w")


@pytest.mark.parametrize(
    ("mode", "gid", "expected"),
    [
        (0o755, STAFF, []),
        (0o775, STAFF, [STAFFS]),
        (0o757, STAFF, [EVERY_USER]),
        (0o777, STAFF, [STAFFS, EVERY_USER]),
        (0o775, ALICE, []),
        (0o775, 0, []),
        (0o777, ALICE, [EVERY_USER]),
        (0o775, BOB, [("the group bob", "chmod g-w")]),
        (0o775, SHARED, [("the group shared", "chmod g-w")]),
        (0o775, NAMELESS, [(f"the group {NAMELESS}", "chmod g-w")]),
    ],
)
def test_writers_by_mode(mode: int, gid: int, expected: list[tuple[str, str]]) -> None:
    """A group with only trusted members is trusted: alice's umask may be 002."""
    assert names(mode, gid) == expected


@pytest.mark.parametrize(
    ("change", "members"),
    [
        ({"alice": (ALICE, STAFF)}, ["alice"]),
        ({"carol": (CAROL, ALICE)}, ["alice"]),
        ({}, ["alice", "carol"]),
    ],
    ids=["not her primary", "carol's primary", "carol as a member"],
)
def test_group_of_the_users_name_with_other_members_is_a_writer(
    change: dict[str, tuple[int, int]], members: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However somebody else became a member, or it is not her primary group."""
    monkeypatch.setitem(GROUPS, "alice", (ALICE, members))
    for name, ids in change.items():
        monkeypatch.setitem(USERS, name, ids)
    know(monkeypatch)
    assert names(0o775, ALICE) == [("the group alice", "chmod g-w")]


@pytest.mark.parametrize(
    ("uid", "users", "groups", "private"),
    [
        (NAMELESS, {}, {}, True),
        (NAMELESS + 1, {}, {}, False),
        (NAMELESS, {"dave": (NAMELESS, NAMELESS)}, {}, False),
        (NAMELESS, {}, {"dave": (NAMELESS, [])}, False),
        (NAMELESS, {"dave": (5004, NAMELESS)}, {}, False),
    ],
    ids=["same number", "another number", "a user's", "a named group", "a user's primary"],
)
def test_nameless_group_is_private_only_if_it_is_nobody_elses(
    uid: int,
    users: dict[str, tuple[int, int]],
    groups: dict[str, tuple[int, list[str]]],
    private: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In `docker run -u 7777:7777`, both IDs are one user's, unless an account has either."""
    for name, ids in users.items():
        monkeypatch.setitem(USERS, name, ids)
    for name, members in groups.items():
        monkeypatch.setitem(GROUPS, name, members)
    know(monkeypatch)
    found = names(0o775, NAMELESS, trust=writers.Trust(frozenset({0, uid})))
    assert (not found) == private


def test_primary_group_of_another_name_is_a_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory service need not list the other users whose primary group it is."""
    monkeypatch.setitem(USERS, "alice", (ALICE, STAFF))
    know(monkeypatch)
    assert names(0o775, STAFF) == [STAFFS]


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([user(BOB, ALL)], [("bob", "setfacl -x u:bob")]),
        ([user(NAMELESS, WRITE)], [("7777", "setfacl -x u:7777")]),
        ([user(BOB, READ)], []),
        ([user(BOB, ALL), Entry(Tag.MASK, 0o5)], []),
        ([user(ALICE, ALL), user(0, ALL)], []),
        ([group(STAFF, ALL)], [("the group staff", "setfacl -x g:staff")]),
        ([group(ALICE, ALL)], []),
        ([Entry(Tag.GROUP_OBJ, ALL), Entry(Tag.MASK, ALL)], [STAFFS]),
        ([Entry(Tag.GROUP_OBJ, 0o5), Entry(Tag.MASK, ALL)], []),
        (
            [Entry(Tag.OTHER, 0o5), user(BOB, 0o3), Entry(Tag.MASK, 0o2)],
            [("bob", "setfacl -x u:bob")],
        ),
    ],
)
def test_writers_by_acl(entries: list[Entry], expected: list[tuple[str, str]]) -> None:
    """The mask limits every entry but owner and others; the mode shows it as the group bits."""
    assert names(0o775, STAFF, *entries) == expected


def test_admin_group_is_trusted_by_mode_and_by_acl() -> None:
    """Other groups are not."""
    trust = writers.Trust(frozenset({0}), group=STAFF)
    assert names(0o775, STAFF, trust=trust) == []
    assert names(0o755, 0, group(STAFF, ALL), group(BOB, ALL), trust=trust) == [
        ("the group bob", "setfacl -x g:bob")
    ]
