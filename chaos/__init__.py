"""Breaks things at random moments and checks that nothing was lost: `python -m chaos telemetry`.

A seed makes every random choice, so that a check that failed can be made again; the moments themselves also depend on
the machine.
"""
