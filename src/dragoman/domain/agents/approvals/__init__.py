"""Tool calls that a person must allow."""
