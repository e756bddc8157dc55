"""Pipelines: graphs, weights, files, specifications, drawings, transfer."""
