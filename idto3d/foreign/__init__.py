"""Meshes that other people's programs wrote: bounded before they are decoded, joined, and made one head."""
