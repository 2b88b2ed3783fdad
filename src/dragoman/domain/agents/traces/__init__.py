"""What runs of agents did, step by step."""
