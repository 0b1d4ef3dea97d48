"""Answers redirects: code to link to device's destination, and the click in the spool before the answer."""
