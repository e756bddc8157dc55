"""Discovery: the server, its pipelines, node types and means of training."""
