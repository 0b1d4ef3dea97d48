"""Every way to run Smart Links."""
