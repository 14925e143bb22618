"""Proof that a metric measures: known cases, graded damage and invariance, a module a family of metrics."""
