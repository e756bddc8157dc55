"""What happens on a stream, as data: drawn, shrunk, played."""
