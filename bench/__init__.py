"""Measured comparisons; `python -m bench.<name>` runs one."""
