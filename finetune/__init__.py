"""Regenerates the router: examples → data → tuned model → exported weights."""
