"""Meaning, in plain Python: what a session, a pipeline, a run is, and the interfaces that the outer layers implement."""
