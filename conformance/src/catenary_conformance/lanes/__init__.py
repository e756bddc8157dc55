"""Cases in several lanes: processes that share the cases out among themselves, each with principals of its own."""
