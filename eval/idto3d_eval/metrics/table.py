"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from idto3d_eval.metrics import (
    cost,
    expression,
    feature_distance,
    geometry_now_cards,
    geometry_regions,
    geometry_surface,
    identity,
    image_text,
    light,
    mesh_health,
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
