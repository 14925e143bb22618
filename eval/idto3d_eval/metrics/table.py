"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from idto3d_eval.metrics import (
    cost,
    expression,
    feature_distance,
    geometry_now,
    geometry_surface,
    identity,
    image_text,
    light,
    retrieval,
    seams,
    stability,
)
from idto3d_eval.metrics.card import MetricCard

METRICS: dict[str, MetricCard] = {
    card.name: card
    for module in (
        identity,
        retrieval,
        expression,
        geometry_now,
        geometry_surface,
        feature_distance,
        image_text,
        seams,
        light,
        cost,
        stability,
    )
    for card in module.CARDS
}
