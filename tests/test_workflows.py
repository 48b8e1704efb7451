"""The CI workflows: what they run and may do. `make lint` runs zizmor for the rest."""

from __future__ import annotations

import re
import tomllib

import pytest

from .checkout import ROOT

_FOLDER = ROOT / ".github" / "workflows"
WORKFLOWS = {file.name: file.read_text(encoding="utf-8") for file in sorted(_FOLDER.iterdir())}
_USES = re.compile(r"uses: (?P<action>\S+?)@(?P<ref>\S+)(?: # (?P<reason>.+))?$", re.MULTILINE)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_or_say_why_not(name: str) -> None:
    """By commit, with the release in a comment: a tag can be moved by its owner."""
    for use in _USES.finditer(WORKFLOWS[name]):
        pinned = re.fullmatch(r"[0-9a-f]{40}", use["ref"]) and re.fullmatch(
            r"v\d+\.\d+\.\d+", use["reason"] or ""
        )
        excused = re.fullmatch(r"zizmor: ignore\[unpinned-uses\] .+", use["reason"] or "")
        assert pinned or excused, use[0]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_permissions_are_granted_per_job(name: str) -> None:
    """Only the jobs of a release may write anything."""
    top, _, jobs = WORKFLOWS[name].partition("\njobs:\n")
    assert "\npermissions: {}\n" in top
    each = re.split(r"^  (?=[\w-]+:$)", jobs, flags=re.MULTILINE)[1:]
    assert [job for job in each if "\n    permissions:\n" not in job] == []
    if name != "release.yml":
        assert "write" not in "".join(re.findall(r"permissions:\n((?: {6}.+\n)+)", jobs))


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_checkout_keeps_a_credential(name: str) -> None:
    """Later steps could read it there."""
    for step in re.findall(r"- uses: actions/checkout@.*\n((?: {8}.*\n)*)", WORKFLOWS[name]):
        assert "persist-credentials: false\n" in step


def test_release_publishes_the_tested_artifact() -> None:
    """After all of ci.yml, from the artifact that its jobs tested."""
    release, ci = WORKFLOWS["release.yml"], WORKFLOWS["ci.yml"]
    assert "\n  publish:\n    needs: ci\n" in release
    assert "\n  ci:\n    uses: $/.github/workflows/ci.yml\n" in release
    assert "make dist" not in release
    assert "\n  wheel:\n    needs: dist\n" in ci
    assert "- run: .ci/wheel dist\n" in ci


def test_every_python_of_the_classifiers_is_tested() -> None:
    """And newer ones, which are not promised yet."""
    match = re.search(r"python: \[(.+)\]", WORKFLOWS["ci.yml"])
    assert match is not None
    tested = re.findall(r'"(3\.\d+)"', match[1])
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    assert tested[: len(named)] == named


def test_mutants_run_every_week() -> None:
    """They run as root, so that no test is skipped."""
    weekly = WORKFLOWS["weekly.yml"]
    assert "\n  schedule:\n    - cron: " in weekly
    assert re.search(r"target: \[.*\bmutants\b.*\]", weekly)
    assert """sudo env "PATH=$PATH" CI=1 make "$TARGET\"""" in weekly
