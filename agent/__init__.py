"""Decides what happens to a run, and acts."""
