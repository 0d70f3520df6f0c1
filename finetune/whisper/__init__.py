"""A small Whisper of our own for tests: the bundled skills' commands, spoken by synthetic voices, from sentences to a CTranslate2 model."""
