"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from collections.abc import Iterable

from idto3d_eval.metrics import (
    cost,
    disentanglement,
    expression,
    feature_distance,
    geometry_now_cards,
    geometry_regions,
    geometry_surface,
    identity,
    image_text,
    light,
    mesh_health,
    probes,
    recognisers,
    retrieval,
    seams,
    stability,
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
        geometry_now_cards,
        geometry_surface,
        geometry_regions,
        mesh_health,
        feature_distance,
        image_text,
        seams,
        light,
        cost,
        stability,
    )
    for card in module.CARDS
}


def metrics_for(names: Iterable[str]) -> dict[str, MetricCard]:
    """`METRICS`, and behind them those by other recognisers that occur among the names of rows."""
    return recognisers.with_others(METRICS, names)
