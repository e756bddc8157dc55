"""The inside of a worker: builds the graph of a pipeline, trains it, measures it and infers with it."""
