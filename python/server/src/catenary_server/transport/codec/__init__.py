"""Messages of the contract to and from domain values, one noun to a module."""
