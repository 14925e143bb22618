"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from idto3d_eval.metrics import (
    cost,
    expression,
    geometry_now_cards,
    geometry_regions,
    geometry_surface,
    identity,
    light,
    mesh_health,
    retrieval,
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
        light,
        cost,
    )
    for card in module.CARDS
}
