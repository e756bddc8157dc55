"""Plugins: loading, listing, what is refused."""
