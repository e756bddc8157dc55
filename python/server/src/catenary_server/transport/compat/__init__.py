"""Services of other contracts, answered by our handlers."""
