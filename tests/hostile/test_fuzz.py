"""Changed files of every kind, some of each reader: more of them by `make fuzz`."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.hostile import sound_run
from tests.hostile.fuzz import SEEDS, changed
from tests.hostile.jail import Outcome, read_all
from tests.hostile.readers import READERS

FILES = {"weights": 6, "scores": 25, "recogniser": 40}  # of the others 80
SEED = 20261128


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What became of each file."""
    run: Path = sound_run.make(tmp_path_factory.mktemp("sound") / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOSTILE_RUN", str(run))
        cases = [
            case
            for reader in SEEDS
            for case in itertools.islice(changed(reader, SEED), FILES.get(reader, 80))
        ]
        return read_all(cases, extra={"HOSTILE_RUN": str(run)})


@pytest.mark.parametrize("reader", list(SEEDS))
def test_no_changed_file_breaks_a_reader(reader: str, outcomes: dict[str, Outcome]) -> None:
    own = {name: found.faults() for name, found in outcomes.items() if name.startswith(f"fuzz {reader} ")}
    assert {name: faults for name, faults in own.items() if faults} == {}


def test_every_reader_of_foreign_files_is_fuzzed() -> None:
    """A face reader is opened by the same code as a recogniser."""
    assert set(READERS) - set(SEEDS) == {"reader"}
