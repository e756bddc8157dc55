"""Built-in nodes, one concept per file: the steps that a pipeline is made of."""
