"""Servers with seeded faults, by which the suite shows that it finds what it looks for."""
