"""The gRPC face of the server: decodes requests, calls the application, encodes answers and failures."""
