"""The command line, `smartlinks`: a client of the API for people and for shell scripts."""
