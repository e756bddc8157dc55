"""What a server claims, and whether it is so."""
