"""Meaning, in plain Python: sessions, pipelines, runs, and the interfaces that the outer layers implement."""
