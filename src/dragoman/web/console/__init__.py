"""The operator's console: its page and its own API."""
