"""A simulated campaign through the real pipeline, and a check of every number that comes out of it."""
