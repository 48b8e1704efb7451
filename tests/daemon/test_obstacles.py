"""What keeps a set-up, or its removal, from being made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from socket import create_server

import pytest

from dockertls_vault.daemon import obstacles
from dockertls_vault.daemon.desired import Listen
from dockertls_vault.daemon.plan import Plan
from dockertls_vault.errors import ConfigurationError, ConflictingState

from .test_plan import CURRENT, HOST, RECORD

EMPTY = replace(CURRENT, record=None, is_listening=False, is_held=False)


def test_unit_files_that_others_edited_are_not_applied() -> None:
    """Those of the set-up may be stale after a run that was killed."""
    with pytest.raises(ConfigurationError, match="systemd has not read them since"):
        obstacles.refuse_stale(replace(EMPTY, is_stale=True))
    obstacles.refuse_stale(replace(CURRENT, is_stale=True))
    obstacles.refuse_stale(EMPTY)


def test_dockerd_that_reads_another_file_is_not_set_up_twice() -> None:
    """The first file would keep what was added to it; a Docker that was removed reads none."""
    other = replace(CURRENT, record=replace(RECORD, daemon_json=Path("/srv/daemon.json")))
    with pytest.raises(ConflictingState, match=r"was set up in /srv/daemon\.json"):
        obstacles.refuse_other_file(other)
    obstacles.refuse_other_file(replace(other, service=replace(other.service, command=())))
    obstacles.refuse_other_file(CURRENT)


def test_port_that_is_in_use_is_refused() -> None:
    """Unless it is ours, or of the dockerd that leaves it when it is restarted."""
    with create_server(("127.0.0.1", 0)) as server:
        listen = Listen("127.0.0.1", server.getsockname()[1])
        record = replace(RECORD, listen=(listen,), proven=True)
        made = Plan(HOST, EMPTY, EMPTY.files, record, ())
        for current in (EMPTY, replace(EMPTY, record=record)):
            with pytest.raises(ConflictingState, match="cannot listen") as failure:
                obstacles.refuse_taken_addresses(replace(made, current=current))
            assert f"{listen} is in use" in failure.value.problems[0]
        obstacles.refuse_taken_addresses(replace(made, freed=(listen,)))
        obstacles.refuse_taken_addresses(replace(made, current=replace(CURRENT, record=record)))
    obstacles.refuse_taken_addresses(made)


def test_address_of_another_host_is_refused() -> None:
    """With the reason; also if the port is ours now, at every address."""
    ours = replace(CURRENT, record=replace(RECORD, proven=True))
    here, elsewhere = Listen("127.0.0.1", 2376), Listen("192.0.2.1", 2376)
    for current, listen in ((EMPTY, (elsewhere,)), (ours, (here, elsewhere))):
        record = replace(RECORD, listen=listen)
        with pytest.raises(ConflictingState) as failure:
            obstacles.refuse_taken_addresses(Plan(HOST, current, EMPTY.files, record, ()))
        (problem,) = failure.value.problems
        assert problem == "192.0.2.1:2376: cannot assign requested address"
    obstacles.refuse_taken_addresses(Plan(HOST, ours, EMPTY.files, RECORD, ()))


def test_set_up_without_its_record_is_not_removed() -> None:
    """Nothing says what was there before; unit files of others are none of a set-up."""
    removal = Plan(HOST, EMPTY, EMPTY.files, None, ())
    with pytest.raises(ConflictingState, match="does not say what was set up") as failure:
        obstacles.refuse_unrecorded(removal)
    assert str(HOST.drop_in) in failure.value.hint
    foreign = replace(EMPTY, files=replace(EMPTY.files, drop_in=b"# of others\n"))
    obstacles.refuse_unrecorded(replace(removal, current=foreign))
    obstacles.refuse_unrecorded(replace(removal, current=CURRENT))
