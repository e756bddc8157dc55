"""Training: configuration, runs and their streams, stopping, evaluation, saving and restoring."""
