"""Which new field is which old one, what a mapping would do, and how its versions follow each other."""
