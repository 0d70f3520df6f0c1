"""Measures the assistant: suites, metrics, reports and comparisons."""
