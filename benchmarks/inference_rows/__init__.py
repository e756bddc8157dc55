"""The parts of the bench of inference, one measurement in each."""
