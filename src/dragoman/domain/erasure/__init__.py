"""Erasing a person: what is theirs goes, what others need stays without them; and what is kept for so long only."""
