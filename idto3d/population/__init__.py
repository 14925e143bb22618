"""Synthetic people: who they are, how they look, their photographs. Nothing that generates imports this."""
