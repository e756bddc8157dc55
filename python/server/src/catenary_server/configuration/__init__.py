"""Configurations: YAML files composed by Hydra in a bounded child process, checked against the domain's dataclasses.

`source.HydraConfigSource` is the way in. Only `composition`, which runs in the child, imports Hydra.
"""
