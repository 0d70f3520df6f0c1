"""Moonshine base, English: where its weights come from, and how they become what the speech engine runs."""
