"""Ways of running programs from which they do not get out, best first."""
