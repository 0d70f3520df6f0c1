"""The benchmark: `python -m tests.bench` (`make bench`) measures Otto on this machine and writes docs/benchmarks.md."""
