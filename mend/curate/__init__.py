"""A pipeline compiled to one DuckDB query: Arrow in, Arrow out."""
