"""The cases: what any server has to satisfy. One behaviour a file; the file names say which."""
