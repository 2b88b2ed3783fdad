"""All SQL of web chat."""
