"""Moving an organisation: everything of it out of one server, and into another."""
