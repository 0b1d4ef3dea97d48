"""What the bus costs: `python -m loadtests.bus`."""
