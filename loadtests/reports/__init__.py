"""How long reports take over many clicks, beside the same over few."""
