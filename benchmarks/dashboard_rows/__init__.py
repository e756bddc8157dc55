"""What the bench of the dashboard measures, and the programs that it starts."""
