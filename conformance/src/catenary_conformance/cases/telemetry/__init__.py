"""Telemetry: what a training reports is kept, shown, and answered with commands."""
