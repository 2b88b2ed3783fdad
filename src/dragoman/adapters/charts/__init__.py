"""Libraries that draw."""
