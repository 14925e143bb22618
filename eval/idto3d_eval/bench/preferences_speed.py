"""How long strengths with a clustered bootstrap take, beside refitting draw after draw with choix."""

from __future__ import annotations

import time

import numpy as np

from idto3d_eval.bench.bars import Bar
from idto3d_eval.preference.bootstrap import DRAWS, davidson_bootstrap
from idto3d_eval.preference.simulate import Design, simulate_votes
from idto3d_eval.preference.votes import Votes, choix_pairs

TIMED = 3  # draws that choix refits; the time of all is scaled up from them
SECONDS, TIMES = 5.0, 30.0  # the bars: at most, at least


def measure_speed(votes: int, seed: int) -> list[Bar]:
    """Bars of the time on so many votes over 20 methods.

    choix takes no weights, so it refits votes of raters and identities drawn with replacement, of the same
    number in expectation; making its list of pairs is not counted.
    """
    design = Design(methods=20, apart=0.2, raters=-(-votes // 40), pairs=40, identities=50)
    drawn = simulate_votes(np.random.default_rng([seed, votes]), design)
    davidson_bootstrap(drawn, draws=2)  # what is imported and allocated once
    start = time.perf_counter()
    davidson_bootstrap(drawn, DRAWS, seed)
    ours = time.perf_counter() - start
    theirs = DRAWS * float(np.mean([_choix_seconds(drawn, [seed, draw]) for draw in range(TIMED)]))
    name = f"{len(drawn):,} votes over {design.methods} methods, {DRAWS:,} draws"
    note = f"choix's ilsr_pairwise takes {theirs:,.0f} s, scaled up from {TIMED} draws"
    return [
        Bar(f"seconds, {name}", ours, SECONDS, note="fit, intervals and draws; one process"),
        Bar(f"times as fast as choix, {name}", theirs / ours, TIMES, least=True, note=note),
    ]


def _choix_seconds(votes: Votes, seed: list[int]) -> float:
    """Of one draw."""
    import choix

    rng = np.random.default_rng(seed)
    raters, identities = len(votes.raters), len(votes.identities)
    by_rater = np.bincount(rng.integers(raters, size=raters), minlength=raters)
    by_identity = np.bincount(rng.integers(identities, size=identities), minlength=identities)
    times = by_rater[votes.rater] * by_identity[votes.identity]
    pairs = choix_pairs(votes.take(np.repeat(np.arange(len(votes)), times)))
    start = time.perf_counter()
    choix.ilsr_pairwise(len(votes.methods), pairs)
    return time.perf_counter() - start
