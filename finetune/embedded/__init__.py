"""The embedded router's models: the rows they learn from, their training, their export and their card."""
