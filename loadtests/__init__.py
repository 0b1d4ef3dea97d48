"""Benchmarks and load tests. Everything is compared with nginx measured in the same run."""
