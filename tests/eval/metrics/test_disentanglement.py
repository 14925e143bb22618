"""Variance shares against their definition and their truth, probes against scikit-learn's, intervals."""

import itertools

import numpy as np
import pytest
from sklearn.linear_model import RidgeClassifier

from idto3d_eval.metrics.disentanglement import SHARES, variance_parts, variance_shares
from idto3d_eval.metrics.probes import RIDGE, people_folds, probe
from idto3d_eval.selfcheck import disentanglement, identity_more
from idto3d_eval.statistics import mean_interval

PEOPLE, SEEDS, FACES, VIEWS, DIMENSION = 12, 2, 5, 3, 16


def drawn(rng, people=PEOPLE, parts=(0.5, 0.2, 0.1), seeds=SEEDS):
    """Embeddings [I, S, E, V, D] whose effects have these variances, and seeds' chance the rest of one."""

    def effect(*shape):
        return rng.normal(size=shape) / np.sqrt(DIMENSION)

    identity = effect(people, 1, 1, 1, DIMENSION)
    expression = np.random.default_rng(0).normal(size=(1, 1, FACES, 1, DIMENSION))  # fixed: the same faces
    expression -= expression.mean(axis=2, keepdims=True)
    expression /= np.sqrt((expression**2).sum(-1).mean())
    interaction = effect(people, 1, FACES, 1, DIMENSION)
    interaction = (interaction - interaction.mean(axis=2, keepdims=True)) / np.sqrt((FACES - 1) / FACES)
    chance = effect(people, seeds, FACES, VIEWS, DIMENSION)
    scales = np.sqrt([*parts, 1.0 - sum(parts)])
    view = 3.0 * np.random.default_rng(1).normal(size=(1, 1, 1, VIEWS, DIMENSION))
    effects = (identity, expression, interaction, chance)
    return view + sum(scale * one for scale, one in zip(scales, effects, strict=True))


def share(embeddings):
    found = variance_shares(embeddings)
    return np.array([np.mean([row[name].value for row in found]) for name in SHARES])


def by_definition(embeddings):
    """Components from sums of squares written out cell by cell, views one by one."""
    count, seeds, faces, views, _ = embeddings.shape
    found = []
    for v in range(views):
        y = embeddings[:, :, :, v]
        grand = y.mean((0, 1, 2))
        sums = dict.fromkeys("iexsr", 0.0)
        for i, e in itertools.product(range(count), range(faces)):
            person, face, cell = y[i].mean((0, 1)), y[:, :, e].mean((0, 1)), y[i, :, e].mean(0)
            sums["i"] += seeds * np.sum((person - grand) ** 2)
            sums["e"] += seeds * np.sum((face - grand) ** 2)
            sums["x"] += seeds * np.sum((cell - person - face + grand) ** 2)
            for s in range(seeds):
                head = y[i, s].mean(0)
                sums["s"] += np.sum((head - person) ** 2)
                sums["r"] += np.sum((y[i, s, e] - cell - head + person) ** 2)
        free = {
            "i": count - 1,
            "e": faces - 1,
            "x": (count - 1) * (faces - 1),
            "s": count * (seeds - 1),
            "r": count * (seeds - 1) * (faces - 1),
        }
        ms = {name: sums[name] / free[name] for name in sums}
        f = (faces - 1) / faces
        found.append(
            [
                (ms["i"] - ms["s"]) / (faces * seeds),
                f * (ms["e"] - ms["x"]) / (count * seeds),
                f * (ms["x"] - ms["r"]) / seeds,
                (ms["s"] - ms["r"]) / faces + ms["r"],
            ]
        )
    return np.mean(found, axis=0)


def test_components_are_those_of_the_definition():
    embeddings = drawn(np.random.default_rng(2), people=5)
    parts = variance_parts(embeddings)
    np.testing.assert_allclose(
        [parts.identity, parts.expression, parts.interaction, parts.chance],
        by_definition(embeddings),
        rtol=1e-9,
    )


def test_pseudo_values_are_those_of_leaving_each_person_out():
    embeddings = drawn(np.random.default_rng(3), people=6)
    whole = variance_parts(embeddings).shares()
    for person, row in enumerate(variance_shares(embeddings)):
        rest = by_definition(np.delete(embeddings, person, axis=0))
        pseudo = 6 * whole - 5 * rest[:3] / rest.sum()
        np.testing.assert_allclose([row[name].value for name in SHARES], pseudo, rtol=1e-9)


@pytest.mark.parametrize("parts", [(0.5, 0.2, 0.1), (0.1, 0.1, 0.6), (0.0, 0.3, 0.3)])
def test_shares_find_what_was_drawn(parts):
    np.testing.assert_allclose(share(drawn(np.random.default_rng(4), 400, parts)), parts, atol=0.02)


def test_a_views_own_look_and_a_turn_of_the_embedding_change_nothing():
    rng = np.random.default_rng(5)
    embeddings = drawn(rng)
    own = share(embeddings)
    turn = np.linalg.qr(rng.normal(size=(DIMENSION, DIMENSION)))[0]
    np.testing.assert_allclose(share(embeddings @ turn), own, atol=1e-9)
    np.testing.assert_allclose(share(embeddings + rng.normal(size=(1, 1, 1, VIEWS, 1))), own, atol=1e-9)
    np.testing.assert_allclose(share(embeddings[::-1, ::-1, ::-1, ::-1]), own, atol=1e-9)


def test_the_interval_over_people_covers_what_was_drawn():
    """95 % intervals of the three shares, I = 12; a bootstrap of so few people falls a little short."""
    covered = []
    for run in range(100):
        rows = variance_shares(drawn(np.random.default_rng([6, run])))
        for name, truth in zip(SHARES, (0.5, 0.2, 0.1), strict=True):
            values = [row[name].value for row in rows]
            found = mean_interval(values, [str(i) for i in range(PEOPLE)], 400, 0.95, seed=run)
            covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) > 0.85


def test_the_interval_is_as_wide_as_that_of_a_bootstrap_of_whole_people():
    embeddings = drawn(np.random.default_rng(9))
    values = [row["variance_identity"].value for row in variance_shares(embeddings)]
    ours = mean_interval(values, [str(i) for i in range(PEOPLE)], 400, 0.95)
    rng = np.random.default_rng(10)
    draws = [variance_parts(embeddings[rng.integers(0, PEOPLE, PEOPLE)]).shares()[0] for _ in range(200)]
    assert np.std(draws) * 2 * 1.96 == pytest.approx(ours.high - ours.low, rel=0.35)


def test_one_seed_few_people_and_unread_heads_are_undefined_with_a_reason():
    embeddings = drawn(np.random.default_rng(7), people=4)
    one = variance_shares(embeddings[:, :1])
    assert all("one seed" in row[name].reason for row in one for name in SHARES)
    assert "3 people" in variance_shares(embeddings[:2])[0][SHARES[0]].reason
    assert "one expression" in variance_shares(embeddings[:, :, :1])[0][SHARES[0]].reason
    lacking = embeddings.copy()
    lacking[3, 0, 0] = np.nan
    rows = variance_shares(lacking)
    assert rows[3][SHARES[0]].reason
    np.testing.assert_allclose(
        [rows[0][name].value for name in SHARES],
        [variance_shares(embeddings[:3])[0][name].value for name in SHARES],
    )
    same = np.zeros_like(embeddings)
    assert variance_shares(same)[0][SHARES[0]].reason == "the embeddings do not vary"


def test_a_probe_is_scikit_learns_ridge_classifier():
    rng = np.random.default_rng(8)
    rows, labels, folds = rng.normal(size=(120, 10)), rng.integers(0, 4, 120), np.arange(120) % 5
    rows[:, :4] += np.eye(4)[labels]
    ours = probe(rows, labels, folds)
    for fold in range(5):
        learned = folds != fold
        penalty = RIDGE * ((rows[learned] - rows[learned].mean(0)) ** 2).sum() / rows.shape[1]
        theirs = RidgeClassifier(alpha=penalty).fit(rows[learned], labels[learned])
        np.testing.assert_array_equal(ours[~learned], theirs.predict(rows[~learned]) == labels[~learned])


def test_a_probe_leaves_out_what_it_cannot_be_asked():
    rows, labels, folds = np.eye(4), np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0])
    rows[0] = np.nan
    answers = probe(rows, labels, folds)
    assert np.isnan(answers).all()  # the only other fold has neither 0 nor 2, nor 1 for the second
    assert np.isnan(probe(np.eye(3), np.array([0, 1, 1]), np.zeros(3, int))).all()


def test_folds_keep_a_person_together():
    assert people_folds([3, 3, 13]).tolist() == [3, 3, 3]


@pytest.mark.parametrize("module", [disentanglement, identity_more])
def test_the_self_checks_pass(module):
    assert [check for check in module.checks() if not check.passed] == []
