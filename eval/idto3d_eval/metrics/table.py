"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from collections.abc import Iterable

from idto3d_eval.metrics import (
    cost,
    disentanglement,
    expression,
    geometry_now,
    geometry_surface,
    identity,
    light,
    probes,
    recognisers,
    retrieval,
    stillness,
)
from idto3d_eval.metrics.card import MetricCard

METRICS: dict[str, MetricCard] = {
    card.name: card
    for module in (
        identity,
        retrieval,
        expression,
        stillness,
        disentanglement,
        probes,
        geometry_now,
        geometry_surface,
        light,
        cost,
    )
    for card in module.CARDS
}


def metrics_for(names: Iterable[str]) -> dict[str, MetricCard]:
    """`METRICS`, and behind them those by other recognisers that occur among the names of rows."""
    return recognisers.with_others(METRICS, names)
