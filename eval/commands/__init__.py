"""The commands of `otto eval`, a file each; each has `register(app)`."""
