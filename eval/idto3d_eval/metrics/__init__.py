"""Metrics: plain functions on arrays, one concept a file."""
