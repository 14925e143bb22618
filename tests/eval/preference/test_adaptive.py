"""A study whose pairs are chosen as it goes: by the votes, evenly over sides and people, and fast enough."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from idto3d_eval.preference.adaptive import adaptive_chooser
from idto3d_eval.preference.answers import answers_table
from idto3d_eval.preference.database.connection import connect
from idto3d_eval.preference.database.tables import raters, trials, votes
from idto3d_eval.preference.service import StudyService
from idto3d_eval.preference.simulate import drawn_outcomes
from idto3d_eval.preference.study import Study
from idto3d_eval.preference.trials import PAIR, REPEAT, Trial
from idto3d_eval.preference.votes import OUTCOMES
from tests.eval.preference.studies import METHODS, Clock, agreed, opened, shown, small_study


def adaptive_study(**changed: object) -> Study:
    """One question of three people, enough raters for the shares to show."""
    told: dict[str, object] = {
        "scheduling": "adaptive",
        "questions": ("identity",),
        "raters": 30,
        "pairs": 12,
        "attention": 1,
        "repeats": 2,
        "most_of_one_person": 6,
        "methods": (*METHODS, "epsilon", "zeta"),
    }
    return small_study(**(told | changed))


def answer_all(service: StudyService, clock: Clock, raters: range) -> None:
    """Raters one after another, by strengths one log-odds apart."""
    strength = {name: -float(place) for place, name in enumerate(service.study.methods)}
    for slot in raters:
        rng = np.random.default_rng(slot)
        rater = agreed(service, slot)
        while (here := service.now(rater)) is not None:
            trial = here.trial
            answer = trial.expected
            if not answer:
                gap = np.array([strength[trial.left] - strength[trial.right]])
                answer = OUTCOMES[int(drawn_outcomes(rng, gap, 0.1)[0])]
            clock.now += 5
            service.vote(rater, trial.pair, trial.question, answer, 90.0)


def test_votes_go_to_neighbours_with_sides_and_people_even(tmp_path: Path) -> None:
    """Through the service: neighbours get more than pairs at random would; sides and people stay even."""
    study = adaptive_study(raters=8, pairs=18, attention=0, repeats=0)
    service, clock = opened(tmp_path, study)
    answer_all(service, clock, range(8))
    table = answers_table(service.engine)
    assert len(table) == 144
    place = {name: number for number, name in enumerate(study.methods)}
    sides = [(place[left], place[right]) for left, right in zip(table["left"], table["right"], strict=True)]
    pairs = [(min(side), max(side)) for side in sides]
    counts = Counter(pairs)
    near = sum(count for (first, second), count in counts.items() if second - first == 1)
    assert near > 144 / 3 * 1.25  # 5 of 15 pairs are neighbours
    assert len(counts) >= 10
    lean: Counter[tuple[int, int]] = Counter()
    for pair, (left, right) in zip(pairs, sides, strict=True):
        lean[pair] += 1 if left < right else -1
    assert max(map(abs, lean.values())) <= 3
    people = Counter(zip(pairs, table["identity"], strict=True))
    for pair, count in counts.items():
        assert max(abs(people[pair, person] - count / 3) for person in study.identities) <= 4


def test_no_rater_sees_a_pair_of_one_head_twice_but_as_a_repeat(tmp_path: Path) -> None:
    """A repeat shows what its pair showed, sides swapped."""
    service, clock = opened(tmp_path, adaptive_study(raters=3))
    answer_all(service, clock, range(3))
    rows = answers_table(service.engine).to_dicts()
    pairs = {row["pair"]: row for row in rows if row["kind"] == PAIR}
    seen = Counter(
        (row["rater"], row["identity"], frozenset((row["left"], row["right"]))) for row in pairs.values()
    )
    assert set(seen.values()) == {1}
    repeats = [row for row in rows if row["kind"] == REPEAT]
    assert len(repeats) == 6
    for row in repeats:
        first = pairs[row["repeats"]]
        assert (row["left"], row["right"], row["identity"]) == (
            first["right"],
            first["left"],
            first["identity"],
        )


def test_the_choice_follows_from_the_database_and_the_pair(tmp_path: Path) -> None:
    """Asked again, another process would choose the same; another seed may not."""
    service, clock = opened(tmp_path, adaptive_study())
    answer_all(service, clock, range(4))
    rater = agreed(service, 5)
    trial = shown(service, rater).trial
    planned = Trial(5, 3, "0123456789abcdef", "identity", "ada", "neutral", "alpha", "beta")
    with service.engine.connect() as connection:
        chosen = [adaptive_chooser(service.study)(connection, planned) for _ in range(2)]
        others = {
            (other.left, other.right)
            for seed in range(8)
            for other in [
                adaptive_chooser(service.study.model_copy(update={"seed": seed}))(connection, planned)
            ]
        }
    assert chosen[0] == chosen[1]
    assert (chosen[0].identity, chosen[0].expression, chosen[0].pair) == ("ada", "neutral", planned.pair)
    assert len(others) > 1
    assert trial.kind == "training"


def test_a_choice_takes_little_time_among_many_votes(tmp_path: Path) -> None:
    """50 ms is the bar, at 20 methods and 10,000 votes; of the processor, as other work runs beside."""
    methods = tuple(f"m{place:02d}" for place in range(20))
    people = tuple(f"p{place:02d}" for place in range(20))
    study = adaptive_study(methods=methods, identities=people)
    engine = connect(f"sqlite:///{tmp_path / 'many.db'}")
    rng = np.random.default_rng(0)
    rows, answers = [], []
    for number in range(10_000):
        left, right = rng.choice(20, 2, replace=False)
        pair = f"{number:016x}"
        rows.append(
            {
                "pair": pair,
                "slot": number // 40,
                "position": number % 40,
                "question": "identity",
                "identity": people[int(rng.integers(20))],
                "expression": "neutral",
                "left": methods[left],
                "right": methods[right],
                "kind": PAIR,
                "expected": "",
                "repeats": "",
                "shown_at": 1.0,
            }
        )
        answer = OUTCOMES[int(rng.integers(3))]
        answers.append(
            {
                "rater": f"{number // 40:016x}",
                "pair": pair,
                "question": "identity",
                "answer": answer,
                "seconds": 5.0,
                "turned_deg": 90.0,
                "voted_at": 2.0,
            }
        )
    with engine.begin() as connection:
        people_rows = [{"rater": f"{slot:016x}", "slot": slot, "came_at": 0.0} for slot in range(250)]
        connection.execute(sa.insert(raters), people_rows)
        connection.execute(sa.insert(trials), rows)
        connection.execute(sa.insert(votes), answers)
    choose = adaptive_chooser(study)
    trial = Trial(300, 1, "f" * 16, "identity", "p03", "neutral", "m00", "m01")
    times = []
    with engine.connect() as connection:
        for _ in range(5):
            start = time.process_time()
            choose(connection, trial)
            times.append(time.process_time() - start)
    assert min(times) <= 0.050
