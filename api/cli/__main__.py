"""`python -m api.cli`, which `.venv/bin/smartlinks` calls."""

from api.cli.program import main

main()
