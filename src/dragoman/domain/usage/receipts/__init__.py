"""Receipts: for each request what it used, what that cost, and how it came about."""
