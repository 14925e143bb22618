"""Synthetic people: who they are, how they look, and their photographs. Nothing that generates imports this."""
