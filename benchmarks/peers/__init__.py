"""Programs that log the same training with one tool each, and the environments that they run in.

Each program is run by its own interpreter, as `python -m benchmarks.peers.NAME TILES FOLDER TARGET JOB ...`, and prints
one line of JSON for each job. Only the standard library is imported by what they share.
"""
