"""What waits in the quarantine: found by its cause, repaired, tried, and taken from there by a replay."""
