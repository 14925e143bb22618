"""KID and FID: parity with plain implementations, exact zeros, unbiased with people as the unit, "
"undefined."""

import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from idto3d_eval.metrics.feature_distance import fid, fid_bias, kid, kid_published


def people(rng, count=5, images=(3, 6), width=4, own=0.5):
    """Features of people whose images are alike."""
    return [
        rng.normal(size=width) + own * rng.normal(size=(rng.integers(*images), width)) for _ in range(count)
    ]


def kernel(a, b):
    return (float(a @ b) / len(a) + 1.0) ** 3


def plain_kid(renders, truths):
    """By four nested loops, from the definition."""
    total, pairs = 0.0, 0
    for i in range(len(renders)):
        for j in range(len(renders)):
            if i != j:
                means = [
                    np.mean([kernel(a, b) for a in one for b in other])
                    for one, other in (
                        (renders[i], renders[j]),
                        (truths[i], truths[j]),
                        (renders[i], truths[j]),
                        (renders[j], truths[i]),
                    )
                ]
                total += means[0] + means[1] - means[2] - means[3]
                pairs += 1
    return total / pairs


def plain_published(renders, truths):
    """Binkowski et al. 2018, section 4: U-statistics within, a mean across."""

    def within(x):
        n = len(x)
        return sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))

    across = np.mean([kernel(a, b) for a in renders for b in truths])
    return within(renders) + within(truths) - 2.0 * across


@pytest.mark.parametrize("seed", range(3))
def test_kid_agrees_with_plain_loops(seed):
    rng = np.random.default_rng(seed)
    renders, truths = people(rng), people(rng)
    found = kid(renders, truths)
    assert found.value == pytest.approx(plain_kid(renders, truths), rel=1e-9)
    pooled = np.concatenate(renders), np.concatenate(truths)
    assert kid_published(*pooled).value == pytest.approx(plain_published(*pooled), rel=1e-9)


def test_the_error_is_that_of_leaving_each_person_out():
    rng = np.random.default_rng(3)
    renders, truths = people(rng, 6), people(rng, 6)
    found = kid(renders, truths)
    without = [
        plain_kid(renders[:k] + renders[k + 1 :], truths[:k] + truths[k + 1 :]) for k in range(len(renders))
    ]
    n = len(without)
    assert found.error == pytest.approx(math.sqrt((n - 1) / n * ((without - np.mean(without)) ** 2).sum()))
    assert found.pseudo_values.mean() == pytest.approx(found.value)
    assert found.pseudo_values == pytest.approx([n * found.value - (n - 1) * own for own in without])


def test_a_set_against_itself_is_zero_and_the_published_one_is_not():
    truths = people(np.random.default_rng(4), 8)
    found = kid(truths, truths)
    assert (found.value, found.error) == pytest.approx((0.0, 0.0), abs=1e-12)
    pooled = np.concatenate(truths)
    assert kid_published(pooled, pooled).value < -0.1
    assert fid(pooled, pooled).value == pytest.approx(0.0, abs=1e-9)


def test_with_images_that_are_alike_by_person_only_ours_is_unbiased():
    """Both sets are other people of one population: the truth is 0."""
    rng = np.random.default_rng(5)
    draws = []
    for _ in range(150):
        one, other = people(rng, 6, (8, 9), 3), people(rng, 6, (8, 9), 3)
        pooled = np.concatenate(one), np.concatenate(other)
        draws.append((kid(one, other).value, kid_published(*pooled).value))
    ours, published = np.array(draws).T
    error = ours.std(ddof=1) / math.sqrt(len(ours))
    assert abs(ours.mean()) < 3.0 * error
    assert published.mean() > 5.0 * published.std(ddof=1) / math.sqrt(len(published))


def test_order_of_images_and_people_changes_nothing():
    rng = np.random.default_rng(6)
    renders, truths = people(rng), people(rng)
    found = kid(renders, truths)
    order = [3, 0, 4, 1, 2]
    other = kid([renders[k][::-1] for k in order], [truths[k] for k in order])
    assert other.value == pytest.approx(found.value)
    assert other.pseudo_values == pytest.approx(found.pseudo_values[order])


@pytest.mark.parametrize("width", [1, 3, 6])
def test_fid_agrees_with_the_square_root_of_the_product(width):
    rng = np.random.default_rng(width)
    a, b = rng.normal(size=(60, width)), 1.5 * rng.normal(size=(40, width)) + 0.3
    first, second = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (a, b))
    gap = a.mean(axis=0) - b.mean(axis=0)
    plain = gap @ gap + np.trace(first + second - 2.0 * np.real(sqrtm(first @ second)))
    assert fid(a, b).value == pytest.approx(float(plain), rel=1e-9)


def test_fid_is_undefined_and_says_why_where_a_covariance_would_be_singular():
    rng = np.random.default_rng(7)
    few, many = rng.normal(size=(8, 8)), rng.normal(size=(20, 8))
    assert math.isnan(fid(few, many).value)
    assert "8 images for 8 features" in fid(few, many).reason
    assert "half of the images are too few" in fid_bias([many[:12]], [many]).reason


def test_fids_bias_is_fid_itself_where_both_sets_are_of_one_distribution():
    rng = np.random.default_rng(8)
    sets = [(rng.normal(size=(200, 5)), rng.normal(size=(200, 5))) for _ in range(20)]
    whole = np.mean([fid(*pair).value for pair in sets])
    bias = np.mean([fid_bias([one], [other]).value for one, other in sets])
    assert bias / whole == pytest.approx(1.0, abs=0.2)


def test_kid_is_undefined_below_three_people():
    rng = np.random.default_rng(9)
    assert "2 people" in kid(people(rng, 2), people(rng, 2))
    assert "1 images" in kid_published(np.ones((1, 2)), np.ones((5, 2))).reason
    with pytest.raises(ValueError, match="leave the person out"):
        kid([np.ones((1, 2))] * 2 + [np.ones((0, 2))], [np.ones((1, 2))] * 3)
