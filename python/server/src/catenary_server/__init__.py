"""The Catenary server: remote training, inference and telemetry of PyTorch pipelines, as catenary.v1 says."""
