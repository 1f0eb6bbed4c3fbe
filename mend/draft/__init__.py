"""A first pipeline file, schema and rules, proposed from what a topic holds."""
