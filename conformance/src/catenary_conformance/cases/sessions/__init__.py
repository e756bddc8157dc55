"""Sessions: identity, retries, limits, lists, search paths, expiry, the end."""
