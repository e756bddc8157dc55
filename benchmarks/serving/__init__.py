"""Servers that benches start: ours with nodes of the bench, and the peers it is compared with."""
