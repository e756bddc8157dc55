"""Plugins as installed packages: found by entry point, allowed by the operator, imported in workers."""
