"""The parts of the bench of telemetry, one measurement in each."""
