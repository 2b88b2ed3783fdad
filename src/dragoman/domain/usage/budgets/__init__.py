"""Limits on requests, tokens and money: reserved before, settled after, right across processes."""
