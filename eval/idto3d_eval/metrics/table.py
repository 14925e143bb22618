"""The table of all metrics: their cards, by name, in the order in which tables show them."""

from idto3d_eval.metrics import cost, expression, geometry_now, geometry_surface, identity, light, retrieval
from idto3d_eval.metrics.card import MetricCard

METRICS: dict[str, MetricCard] = {
    card.name: card
    for module in (identity, retrieval, expression, geometry_now, geometry_surface, light, cost)
    for card in module.CARDS
}
