"""What requests are drawn from: valid messages and near misses, derived from descriptors and rules."""
