"""Streams, whatever their clients do: drawn schedules, and a model of a run."""
