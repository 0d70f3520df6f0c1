"""The stages: each takes a base and an adapter, and leaves a better adapter."""
