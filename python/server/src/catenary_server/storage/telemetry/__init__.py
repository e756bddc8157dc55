"""Runs of telemetry on the local disk: a log for each, and an index that the logs can rebuild."""
