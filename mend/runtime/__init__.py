"""Settings, files, logging, clock and retries."""
