"""Refusals: what they look like, whatever is refused."""
