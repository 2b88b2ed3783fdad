"""Workers of agents: asked at an address, or run as a script in an isolate."""
