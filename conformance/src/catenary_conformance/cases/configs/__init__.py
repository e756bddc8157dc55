"""Configurations: lists, composition, what is forbidden, validation, schemas."""
