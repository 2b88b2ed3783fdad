"""Tool servers: programs elsewhere that offer tools, and which of them a user has registered."""
