"""Clicks that apps report: the system had opened the link in the app, past our redirect."""
