"""The SQL tables and small stores over them; rows of data are never in it."""
