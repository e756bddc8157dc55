"""The dashboard's port: its pages, unary RPCs as the Connect protocol has them, and streams over a WebSocket."""
