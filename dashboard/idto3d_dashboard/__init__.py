"""Pages to look at runs; it stands above the evaluation package and may import all of the others."""
