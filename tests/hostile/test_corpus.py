"""Every hostile file is taken or refused in one sentence: in 5 s and 1 GiB, without network or crash."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import sound_run
from tests.hostile.gaps import GAPS
from tests.hostile.jail import Outcome, is_one_sentence, read_all
from tests.hostile.make_corpus import CASES

LEAST = 300


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What became of each case."""
    run: Path = sound_run.make(tmp_path_factory.mktemp("sound") / "run")
    return read_all(CASES.values(), extra={"HOSTILE_RUN": str(run)})


def _named(name: str) -> object:
    gap = pytest.mark.xfail(reason=GAPS[name], strict=True) if name in GAPS else ()
    return pytest.param(name, marks=gap)


@pytest.mark.parametrize("name", [_named(name) for name in CASES])
def test_a_hostile_file_is_read_in_an_orderly_way(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[name].faults(CASES[name].expected) == []


def test_the_corpus_is_as_large_as_it_says() -> None:
    """Every gap is a case, and no case is an empty promise."""
    assert len(CASES) >= LEAST
    assert set(GAPS) <= set(CASES)


def test_the_corpus_is_the_same_each_time() -> None:
    """A case's files follow from its name alone."""
    for case in list(CASES.values())[::25]:
        assert case.make() == case.make()


@pytest.mark.parametrize(
    ("text", "one"),
    [
        ("Found no image in 'a.png', expected JPEG; convert or remove it.", True),
        ("Found no image\nin 'a.png'.", False),
        ("", False),
        ("found no image.", False),
        ("Found \x1b[2J.", False),
        ("Traceback (most recent call last).", False),
    ],
)
def test_what_counts_as_one_sentence(text: str, one: bool) -> None:
    assert is_one_sentence(text) is one
