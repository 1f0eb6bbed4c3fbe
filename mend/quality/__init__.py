"""The rules file, and the audit of staged rows by Great Expectations."""
