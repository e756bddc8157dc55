"""Inference: one request, a stream of requests, one request in pieces."""
