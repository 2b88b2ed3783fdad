"""Giving collections vectors of another embedder while they are searched."""
