"""Diffusion models that say what a head of this person should look like, and the loss that asks them."""
