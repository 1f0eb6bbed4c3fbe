"""The six steps of a run."""
