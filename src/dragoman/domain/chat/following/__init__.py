"""Answers under way that are followed in another process than the one that makes them."""
