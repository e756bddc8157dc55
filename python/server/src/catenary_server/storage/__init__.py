"""Files of clients on the local disk, confined to the operator's roots."""
