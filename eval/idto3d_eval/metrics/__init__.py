"""Metrics: plain functions on arrays, one concept a file, and the table of their cards."""

from idto3d_eval.metrics.card import Measurement, MetricCard
from idto3d_eval.metrics.table import METRICS, metrics_for

__all__ = ["METRICS", "Measurement", "MetricCard", "metrics_for"]
