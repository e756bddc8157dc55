"""Use cases: what happens on a request, in domain types only."""
