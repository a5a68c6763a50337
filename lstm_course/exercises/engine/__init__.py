"""Runs and diagnoses answers. The question banks are in the parent folder."""
