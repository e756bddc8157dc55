"""Node types of the plugin `ndvi`."""

from catenary_plugin_ndvi.ndvi import NDVI
from catenary_plugin_ndvi.spectral_angle_mapper import SpectralAngleMapper

NODES = (NDVI, SpectralAngleMapper)
"""What the entry point of the plugin names."""

__all__ = ["NDVI", "NODES", "SpectralAngleMapper"]
