"""Data for training: collected from examples, asked of a server, converted from other tools, counted, and set against each other."""
