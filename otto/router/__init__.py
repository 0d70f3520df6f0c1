"""Call engines: each takes an utterance and the skills and returns a Route."""
