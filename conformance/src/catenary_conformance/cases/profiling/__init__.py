"""Profiling: what is measured, and when."""
