"""Sound in: files, the microphone, and where in it somebody speaks."""
