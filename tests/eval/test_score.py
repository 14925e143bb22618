"""Rows: complete, unique, NaN exactly with a reason, and what an oracle, an impostor and a failure get."""

import math

import numpy as np
import pytest

from idto3d.expressions import EXPRESSIONS, preset
from idto3d_eval.features import HeadFeatures
from idto3d_eval.metrics import METRICS
from idto3d_eval.metrics.identity import identity_similarity
from idto3d_eval.reference import Gallery, Reference
from idto3d_eval.rows.context import Head
from idto3d_eval.score import score_method

EXPRESSIONS_ASKED = ("neutral", "smile", "anger")
VIEWS = ("front-even", "left-even", "side-side")
DIMENSION = 32
PEOPLE = ("person-0", "person-1", "person-2")


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def directions(count, seed):
    return unit(np.random.default_rng(seed).normal(size=(count, DIMENSION)))


WHO = dict(zip(PEOPLE, directions(len(PEOPLE), 0), strict=True))


def features(person, expressions=EXPRESSIONS_ASKED, noise=0.2, seed=0, unread=()):
    """A head that looks like a person and shows the presets asked for."""
    rng = np.random.default_rng(seed)
    shape = (len(expressions), len(VIEWS))
    embeddings = unit(WHO[person] + noise * rng.normal(size=(*shape, DIMENSION)) / math.sqrt(DIMENSION))
    actions = np.stack([np.tile(preset(name), (len(VIEWS), 1)) for name in expressions]).astype(np.float32)
    reasons = np.full(shape, "", dtype="<U8")
    for cell in unread:
        embeddings[cell], actions[cell], reasons[cell] = np.nan, np.nan, "no face"
    return HeadFeatures(
        expressions,
        VIEWS,
        np.array([True, True, False]),
        embeddings,
        np.full((*shape, 68, 2), np.nan, np.float32),
        actions,
        np.ones(shape, np.float32),
        reasons,
        {},
    )


def reference(person):
    photos = unit(WHO[person] + 0.3 * directions(4, 77))
    ceiling = identity_similarity(features(person, seed=5).embeddings, photos)
    floor = np.full(ceiling.shape, 0.1)
    return Reference(photos, EXPRESSIONS_ASKED, VIEWS, floor, ceiling, impostors=20)


REFERENCES = {person: reference(person) for person in PEOPLE}
GALLERY = Gallery(tuple(f"gallery-{index:04d}" for index in range(200)), directions(200, 9))


def scores(heads, families=("identity", "expression", "geometry", "cost"), gallery=GALLERY):
    return score_method(heads, REFERENCES, gallery, EXPRESSIONS_ASKED, families)


def value(rows, metric, **where):
    found = [
        row.value
        for row in rows
        if row.metric == metric and all(getattr(row, k) == v for k, v in where.items())
    ]
    assert found, metric
    return float(np.mean(found))


FAMILIES = ("identity", "expression", "geometry", "cost")  # of which rows are written unless others are asked


def heads(of=None, **more):
    return [Head(person, 0, features((of or {}).get(person, person), **more)) for person in PEOPLE]


def test_every_row_has_a_card_a_unique_key_and_nan_exactly_with_a_reason():
    rows = scores(heads(unread=[(1, 0)]))
    keys = [(row.identity, row.expression, row.view, row.seed, row.metric) for row in rows]
    assert len(set(keys)) == len(keys)
    assert keys == sorted(keys)
    asked = {name for name, card in METRICS.items() if card.family in FAMILIES}
    assert {row.metric for row in rows} == asked - {"calibrated_identity"}
    assert all(math.isnan(row.value) == bool(row.reason) for row in rows)


def test_the_true_head_reaches_its_ceiling():
    rows = scores([Head(person, 0, features(person, seed=5)) for person in PEOPLE])
    for person in PEOPLE:
        assert value(rows, "identity_counted", identity=person) == value(
            rows, "identity_ceiling", identity=person
        )
        assert value(rows, "identity_floor", identity=person) == pytest.approx(0.1)


def test_an_unread_view_counts_as_the_floor_and_is_not_a_zero_row():
    rows = scores(heads(unread=[(0, 0)]))
    unread = [
        row
        for row in rows
        if row.metric == "identity_similarity" and row.expression == "neutral" and row.reason
    ]
    assert {row.view for row in unread} == {"front-even"}
    assert all(math.isnan(row.value) for row in unread)
    full = scores(heads())
    for person in PEOPLE:
        cell = value(full, "identity_similarity", identity=person, expression="neutral", view="front-even")
        difference = value(full, "identity_counted", identity=person) - value(
            rows, "identity_counted", identity=person
        )
        assert difference == pytest.approx((cell - 0.1) / 9)
        assert value(rows, "face_coverage", identity=person) == pytest.approx(8 / 9)


def test_a_right_head_is_found_and_another_persons_is_not():
    right = scores(heads())
    swapped = scores(heads(of=dict(zip(PEOPLE, PEOPLE[1:] + PEOPLE[:1], strict=True))))
    assert value(right, "rank1") == value(right, "joint") == value(right, "expression_accuracy") == 1.0
    assert value(swapped, "rank1") == value(swapped, "joint") == 0.0
    assert value(swapped, "expression_accuracy") == 1.0
    assert value(right, "own_cross_gap") > 0.5 > 0.0 > value(swapped, "own_cross_gap")


def test_a_statue_has_no_drift_and_is_wrong_in_expression():
    statue = features("person-0", noise=0.0)
    still = HeadFeatures(
        **{**vars(statue), "actions": np.tile(preset("neutral"), (3, 3, 1)).astype(np.float32)}
    )
    rows = scores([Head("person-0", 0, still)])
    assert value(rows, "identity_drift") == pytest.approx(0.0, abs=1e-6)
    assert value(rows, "rank1") == 1.0
    assert value(rows, "expression_accuracy") == pytest.approx(1 / 3)
    assert value(rows, "joint") == pytest.approx(1 / 3)


def test_a_failed_head_is_nan_everywhere_with_its_reason_and_has_no_coverage():
    rows = scores([Head("person-0", 0, None, "the method ran out of memory"), *heads()[1:]])
    own = [row for row in rows if row.identity == "person-0"]
    assert value(own, "face_coverage") == 0.0
    others = [row for row in own if row.metric != "face_coverage"]
    assert all(math.isnan(row.value) for row in others)
    assert {row.reason for row in others if METRICS[row.metric].family != "geometry"} == {
        "the method ran out of memory"
    }


def test_an_expression_that_is_not_provided_is_nan_with_that_reason_and_counts_as_the_floor():
    lacking = [Head(person, 0, features(person, ("neutral", "anger"))) for person in PEOPLE]
    rows, full = scores(lacking), scores(heads())
    smile = [row for row in rows if row.expression == "smile"]
    assert {row.metric for row in smile} >= {"identity_similarity", "expression_accuracy", "rank1", "joint"}
    assert {row.reason for row in smile} == {"expression not provided"}
    assert all(math.isnan(row.value) for row in smile)
    keys = [{(row.identity, row.expression, row.view, row.metric) for row in some} for some in (rows, full)]
    assert keys[0] == keys[1]
    for person in PEOPLE:
        assert value(rows, "face_coverage", identity=person) == pytest.approx(2 / 3)
        cells = [
            value(rows, "identity_similarity", identity=person, expression=name)
            for name in ("neutral", "anger")
        ]
        counted = value(rows, "identity_counted", identity=person)
        assert counted == pytest.approx((sum(cells) + 0.1) / 3)


def test_calls_that_nobody_knows_are_nan_with_a_reason():
    rows = scores([Head("person-0", 0, features("person-0"), guidance_calls=None)])
    (row,) = [row for row in rows if row.metric == "guidance_calls"]
    assert math.isnan(row.value)
    assert row.reason == "its author does not say"


def test_only_the_families_that_are_asked_for_have_rows():
    rows = scores(heads(), families=("expression",))
    assert {METRICS[row.metric].family for row in rows} == {"expression"}


def test_without_a_gallery_ranks_are_undefined_with_a_reason():
    rows = scores(heads(), gallery=None)
    assert {row.reason for row in rows if row.metric == "rank1"} == {"the population has no gallery"}


def test_a_floor_of_few_impostors_is_refused():
    few = {person: Reference(**{**vars(found), "impostors": 19}) for person, found in REFERENCES.items()}
    rows = score_method(heads(), few, GALLERY, EXPRESSIONS_ASKED, ("identity",))
    assert "19 impostors" in next(row.reason for row in rows if row.metric == "identity_counted")


def test_the_order_of_heads_changes_no_row():
    assert repr(scores(heads())) == repr(scores(heads()[::-1]))


def test_the_presets_stand_to_choose_from_whatever_is_asked():
    laugh = features("person-0")
    actions = laugh.actions.copy()
    actions[EXPRESSIONS_ASKED.index("smile")] = preset("laugh")
    assert "laugh" in EXPRESSIONS
    rows = scores([Head("person-0", 0, HeadFeatures(**{**vars(laugh), "actions": actions}))])
    assert value(rows, "expression_accuracy", expression="smile") == 0.0
