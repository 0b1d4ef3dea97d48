"""`python -m loadtests.bench`: speed and memory of the edge, as ratios to nginx in the same run."""
