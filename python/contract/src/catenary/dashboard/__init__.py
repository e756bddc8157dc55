"""The Catenary contract: generated, do not edit."""
