"""Answers redirects: code to link to device's destination, and the click in the spool before the answer."""

from edge import compiled

compiled.put_first(__path__)
