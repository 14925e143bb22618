"""Plan, run, measure and report: how methods that make heads compare."""
