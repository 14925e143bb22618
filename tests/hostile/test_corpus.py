"""Every hostile file is taken or refused in one sentence: in 5 s and 1 GiB, without network or crash.

`make test` reads every third case and what fuzzing found; `make test-slow` reads the others.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile import sound_run
from tests.hostile.jail import Outcome, is_one_sentence, read_all
from tests.hostile.make_corpus import CASES

LEAST = 300


OFTEN = [name for at, name in enumerate(CASES) if at % 3 == 0 or name.startswith("found ")]
SELDOM = sorted(set(CASES) - set(OFTEN))


def read(names: list[str], folder: Path) -> dict[str, Outcome]:
    """What becomes of cases."""
    run: Path = sound_run.make(folder / "run")
    return read_all((CASES[name] for name in names), extra={"HOSTILE_RUN": str(run)})


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return read(OFTEN, tmp_path_factory.mktemp("sound"))


@pytest.mark.parametrize("name", OFTEN)
def test_a_hostile_file_is_read_in_an_orderly_way(name: str, outcomes: dict[str, Outcome]) -> None:
    assert outcomes[name].faults(CASES[name].expected) == []


@pytest.mark.slow
def test_so_are_all_the_others(tmp_path: Path) -> None:
    found = read(SELDOM, tmp_path)
    faults = {name: found[name].faults(CASES[name].expected) for name in SELDOM}
    assert {name: told for name, told in faults.items() if told} == {}


def test_the_corpus_is_as_large_as_it_says() -> None:
    assert len(OFTEN) >= LEAST


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
