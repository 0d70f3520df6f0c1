"""The figures of listening. `python -m tests.bench.listening` writes docs/benchmarks-listen.md."""
