"""The plan of a study is balanced, bounded and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_eval.preference.trials import (
    ATTENTION,
    PAIR,
    REPEAT,
    TRAINING,
    Planner,
    Trial,
    read_trials,
    trials_table,
)
from tests.eval.preference.studies import METHODS, small_study


def plan(raters: int, **changed: object) -> list[Trial]:
    planner = Planner(small_study(raters=raters, **changed))
    return [trial for slot in range(raters) for trial in planner.rater(slot)]


def test_pairs_are_even_over_method_pair_and_identity_and_side() -> None:
    """24 raters × 6 pairs over two questions, six method pairs and three people: every cell four times."""
    trials = [trial for trial in plan(24) if trial.kind == PAIR]
    cells = Counter((t.question, frozenset((t.left, t.right)), t.identity) for t in trials)
    assert len(cells) == 2 * 6 * 3
    assert set(cells.values()) == {4}
    for question in ("identity", "geometry"):
        for first, second in combinations(METHODS, 2):
            own = [t for t in trials if t.question == question and {t.left, t.right} == {first, second}]
            assert abs(sum(t.left == first for t in own) * 2 - len(own)) <= 1, (question, first, second)


@pytest.mark.parametrize("raters", [1, 5, 7])
def test_counts_stay_even_when_raters_stop_coming(raters: int) -> None:
    """After any number of raters no cell has been asked more than once more than another."""
    trials = [trial for trial in plan(raters) if trial.kind == PAIR]
    for question in ("identity", "geometry"):
        cells = Counter((frozenset((t.left, t.right)), t.identity) for t in trials if t.question == question)
        counts = list(cells.values()) + [0] * (18 - len(cells))
        assert max(counts) - min(counts) <= 1


def test_a_rater_sees_a_person_a_bounded_number_of_times() -> None:
    """The bound holds for every rater, and one that cannot hold is refused."""
    for slot in range(24):
        own = [t for t in plan(24, most_of_one_person=2) if t.slot == slot and t.kind == PAIR]
        assert max(Counter(t.identity for t in own).values()) <= 2
    with pytest.raises(UserError, match="expected fewer pairs"):
        plan(1, most_of_one_person=1)


def test_a_rater_gets_what_the_study_says() -> None:
    """One practice pair first, then so many pairs, attention pairs and repeats; names are one of a kind."""
    trials = plan(6, pairs=10, attention=3, repeats=2, most_of_one_person=8)
    assert len({trial.pair for trial in trials}) == len(trials)
    for slot in range(6):
        own = [trial for trial in trials if trial.slot == slot]
        assert [trial.position for trial in own] == list(range(16))
        assert Counter(t.kind for t in own) == {TRAINING: 1, PAIR: 10, ATTENTION: 3, REPEAT: 2}
        assert own[0].kind == TRAINING


def test_a_repeat_shows_an_earlier_pair_with_its_sides_swapped() -> None:
    """It names the pair, asks the same, and comes later."""
    for slot in range(8):
        trials = {t.pair: t for t in plan(8, pairs=12, repeats=3, most_of_one_person=9) if t.slot == slot}
        repeats = [t for t in trials.values() if t.kind == REPEAT]
        assert len(repeats) == 3
        for repeat in repeats:
            first = trials[repeat.repeats]
            assert (first.left, first.right) == (repeat.right, repeat.left)
            assert first.position < repeat.position
            assert (first.question, first.identity, first.expression) == (
                repeat.question,
                repeat.identity,
                repeat.expression,
            )


def test_attention_pairs_have_a_right_answer_on_both_sides_alike() -> None:
    """The intact head is right; strangers only where a photo tells them and a true head is known."""
    attention = [t for t in plan(60) if t.kind == ATTENTION]
    sides = Counter(t.expected for t in attention)
    assert abs(sides["left"] - sides["right"]) < 40
    for trial in attention:
        assert (trial.left if trial.expected == "left" else trial.right) == "(intact)"
        if "(stranger)" in (trial.left, trial.right):
            assert trial.question == "identity"
    assert any("(stranger)" in (t.left, t.right) for t in attention)
    without = [t for t in plan(20, reference="") if t.kind == ATTENTION]
    assert all("(stranger)" not in (t.left, t.right) for t in without)


def test_the_neutral_face_is_judged_but_for_expressions() -> None:
    """Identity, shape and texture are judged on the neutral face, expressions on all others."""
    questions = ("identity", "geometry", "texture", "expression")
    for trial in plan(8, questions=questions, pairs=8, most_of_one_person=9):
        assert (trial.expression == "neutral") == (trial.question != "expression")


def test_the_seed_gives_the_plan(tmp_path: Path) -> None:
    """The same seed the same plan, another another; a table keeps it; raters added later change nothing."""
    assert plan(4) == plan(4)
    assert plan(4) != plan(4, seed=1)
    trials_table(plan(4)).write_parquet(tmp_path / "plan.parquet")
    assert read_trials(tmp_path / "plan.parquet") == plan(4)
    planner = Planner(small_study(raters=6), plan(4))
    grown = plan(4) + planner.rater(4) + planner.rater(5)
    assert grown == plan(6)


def test_no_plan_is_a_sentence(tmp_path: Path) -> None:
    """A missing or damaged plan says what to do."""
    (tmp_path / "plan.parquet").write_bytes(b"PAR1 no")
    for name in ("plan.parquet", "none.parquet"):
        with pytest.raises(UserError, match="make the study again"):
            read_trials(tmp_path / name)
