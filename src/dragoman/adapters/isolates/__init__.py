"""JavaScript without a way out."""
