"""The commands of `catenary-conformance`."""
