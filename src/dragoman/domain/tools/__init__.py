"""Tools that the server itself carries out for an agent: what one is, where they come from, whose they are."""
