"""The metrics of identity as other recognisers give them: the same definitions, shown beside, deciding
nothing.

Which recogniser is asked changes identity figures (SimSwap's issue 305 asks of conditioning and scoring with
one; GFPGAN's 256 and CodeFormer's 313 ask which ArcFace and which crop), so a figure that several agree on is
worth more than one. A metric of another recogniser is called `METRIC.RECOGNISER`, such as
`calibrated_identity.mobilefacenet`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from idto3d_eval.metrics import identity, retrieval
from idto3d_eval.metrics.card import MetricCard

SEPARATOR = "."
NOT_REPEATED = ("face_coverage",)  # the crops are the same, so every recogniser would give the same
BY_OTHERS: dict[str, MetricCard] = {
    card.name: card for card in (*identity.CARDS, *retrieval.CARDS) if card.name not in NOT_REPEATED
}


def name_by(metric: str, recogniser: str) -> str:
    """What a metric is called where another recogniser than the scoring one read it; its own name for ""."""
    return f"{metric}{SEPARATOR}{recogniser}" if recogniser else metric


def recogniser_of(metric: str) -> str:
    """The recogniser in a metric's name; "" for the one that scores."""
    return metric.partition(SEPARATOR)[2]


def card_by(metric: str, recogniser: str) -> MetricCard:
    """The card of one of `BY_OTHERS` as another recogniser reads it."""
    card = BY_OTHERS[metric]
    return replace(
        card,
        name=name_by(metric, recogniser),
        title=f"{card.title} by {recogniser}",
        definition=f"By the recogniser {recogniser} in place of the one that scores, on the same aligned "
        "crops: " + card.definition[0].lower() + card.definition[1:],
        failure_modes=(*card.failure_modes, "Shown beside the scoring recogniser's; it ranks nobody."),
        networks=(recogniser,),
    )


def cards_by(recognisers: Iterable[str]) -> dict[str, MetricCard]:
    """The cards of all metrics that each of these recognisers gives, by name."""
    cards = (card_by(metric, recogniser) for recogniser in recognisers for metric in BY_OTHERS)
    return {card.name: card for card in cards}


def with_others(metrics: Mapping[str, MetricCard], names: Iterable[str]) -> dict[str, MetricCard]:
    """A table of metrics, with the cards of those other recognisers whose metrics are among `names`."""
    others = sorted({recogniser_of(name) for name in names} - {""})
    return {**metrics, **cards_by(others)}
