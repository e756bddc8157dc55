"""Deadlines, cancellation, and what they leave behind."""
