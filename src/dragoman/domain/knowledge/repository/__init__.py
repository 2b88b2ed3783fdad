"""All SQL of the knowledge slice."""
