"""Conversations on messaging services: what comes in, who answers, what goes out."""
