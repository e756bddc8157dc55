"""The Catenary server: sessions, training, inference and telemetry of PyTorch pipelines behind the catenary.v1 contract."""
