"""Datasets: uploads that go on, lists, deletion."""
