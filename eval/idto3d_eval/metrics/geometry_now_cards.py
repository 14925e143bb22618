"""The cards of NoW's variants: as published, and ours, which refuses mirrored fits and hidden surfaces."""

from __future__ import annotations

import math

from idto3d_eval.metrics.card import Direction, Level, MetricCard, Statistic
from idto3d_eval.metrics.read_with import LIFTED, READER

_SOURCE = "Sanyal et al., CVPR 2019; constants from soubhiksanyal/now_evaluation."
_CROP = (
    "Crop the truth to the ball about a point 0.3 of the way from the nose bottom to the inner eye corners, "
    "radius 1.4 times the mean of outer eye distance and nose distance; lay the head on it by Procrustes "
    "over seven landmarks, refine the unsigned scan-to-mesh distance"
)
_MISREAD = "A head whose face is misread is misaligned and shows as a large error: look at the residuals."
_SMOOTH = "A smooth mean head scores well: read it beside identity."
_BLIND = "A mirrored head passes."
_HIDDEN = "Surfaces inside the head, as of mouth and throat, lower it."
_NO_SIZE = "Punishes a method that knows no absolute size, as no photo tells it."

_OURS = " with the scale free and a mirrored fit refused, to what is seen of the head from outside; "
_OURS_METRICAL = (
    " with the scale fixed at 1 and a mirrored fit refused, to what is seen of the head from outside; "
)
_PUBLISHED = " with the scale free and reflection allowed, as the published code does, to the whole mesh; "
_PUBLISHED_METRICAL = " with the scale fixed at 1 and reflection allowed, as published, to the whole mesh; "


def _card(
    name: str,
    title: str,
    how: str,
    *failures: str,
    level: Level = "identity",
    statistic: Statistic = "mean",
    better: Direction = "lower",
    unit: str = "mm",
    high: float = math.inf,
) -> MetricCard:
    return MetricCard(
        name=name,
        title=title,
        definition=f"{_CROP}{how}",
        source=_SOURCE,
        unit=unit,
        low=0.0,
        high=high,
        better=better,
        family="geometry",
        level=level,
        statistic=statistic,
        failure_modes=(_MISREAD, _SMOOTH, *failures),
        preprocessing=LIFTED,
        networks=(READER,),
    )


def _ours() -> tuple[MetricCard, ...]:
    spike = "One spike moves it: read the median."
    return (
        _card("now_median", "NoW median", _OURS + "median distance of an identity's cropped points."),
        _card("now_mean", "NoW mean", _OURS + "mean distance.", spike),
        _card("now_std", "NoW std", _OURS + "standard deviation of the distances.", spike),
        _card("now_metrical_median", "NoW metrical median", _OURS_METRICAL + "median distance.", _NO_SIZE),
        _card(
            "now_landmark_rms",
            "NoW landmark residual",
            _OURS + "root mean square of what Procrustes left between the landmarks, before refinement.",
            "Large where landmarks are misread and where a face differs: it tells which medians to look at.",
        ),
        _card(
            "now_refined_rms",
            "NoW refined residual",
            _OURS + "root mean square distance after refinement, which is what refinement makes least.",
            "Far above the median, a part of the face is missing or the fit has slid off.",
        ),
        _card(
            "now_scale",
            "NoW scale",
            _OURS + "the factor that brought the head to the truth's size.",
            "It describes: 1 is the right size, and a median beside it says nothing of size.",
            better="neither",
            unit="1",
        ),
    )


def _published() -> tuple[MetricCard, ...]:
    modes = (_BLIND, _HIDDEN)
    return (
        _card("now_published_median", "NoW median as published", _PUBLISHED + "median distance.", *modes),
        _card("now_published_mean", "NoW mean as published", _PUBLISHED + "mean distance.", *modes),
        _card("now_published_std", "NoW std as published", _PUBLISHED + "standard deviation.", *modes),
        _card(
            "now_published_metrical_median",
            "NoW metrical median as published",
            _PUBLISHED_METRICAL + "median distance.",
            *modes,
            _NO_SIZE,
        ),
        _card(
            "now_published_landmark_rms",
            "NoW landmark residual as published",
            _PUBLISHED + "root mean square of what Procrustes left between the landmarks.",
            "Far below `now_landmark_rms`, the head is mirrored.",
        ),
        _card(
            "now_published_refined_rms",
            "NoW refined residual as published",
            _PUBLISHED + "root mean square distance after refinement.",
            *modes,
        ),
    )


def _over_people() -> tuple[MetricCard, ...]:
    pooled = "Large faces hold more points; an identity with a failed alignment hides in the tail."
    curve = (
        "the cumulative curve over the points of all identities: the share within each of 0.25, 0.5 … 8 mm, "
        "which stands in the row's view; the figure is the mean of these shares, the area under the curve."
    )
    median = "median over the points of all identities together, as the benchmark's table prints it."
    return (
        _card(
            "now_pooled_median",
            "NoW pooled median",
            _OURS + median,
            pooled,
            level="method",
            statistic="pooled",
        ),
        _card(
            "now_published_pooled_median",
            "NoW pooled median as published",
            _PUBLISHED + median,
            pooled,
            _BLIND,
            _HIDDEN,
            level="method",
            statistic="pooled",
        ),
        *(
            _card(
                f"now_published_pooled_{name}",
                f"NoW pooled {name} as published",
                _PUBLISHED + f"{words} over the points of all identities together.",
                pooled,
                _BLIND,
                _HIDDEN,
                level="method",
                statistic="pooled",
            )
            for name, words in (("mean", "mean"), ("std", "standard deviation"))
        ),
        _card(
            "now_curve",
            "NoW curve",
            _OURS + curve,
            pooled,
            level="method",
            statistic="pooled",
            better="higher",
            unit="1",
            high=1.0,
        ),
        _card(
            "now_published_curve",
            "NoW curve as published",
            _PUBLISHED + curve,
            pooled,
            _BLIND,
            _HIDDEN,
            level="method",
            statistic="pooled",
            better="higher",
            unit="1",
            high=1.0,
        ),
    )


def _posed() -> tuple[MetricCard, ...]:
    posed = "each expression but neutral against the true head with that expression; mean over them."
    mouth = "What an open mouth shows is no part of the truth's outer skin, nor counted of the head's."
    return (
        _card("posed_now_median", "NoW median, posed", _OURS + "median distance of " + posed, mouth),
        _card(
            "posed_now_metrical_median",
            "NoW metrical median, posed",
            _OURS_METRICAL + "median distance of " + posed,
            mouth,
            _NO_SIZE,
        ),
    )


CARDS = (*_ours(), *_published(), *_over_people(), *_posed())
