"""Moves what this machine's edge spooled to Kafka: `python -m ingest.shipper`. `runner.py` says how."""
