"""Tests whether a server, in whatever language, keeps the Catenary contract."""
