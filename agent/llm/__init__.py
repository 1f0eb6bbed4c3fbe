"""Asks a model for a proposal, in a process of its own that can be ended at any time."""
