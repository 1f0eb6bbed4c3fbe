"""The `mend` command."""
