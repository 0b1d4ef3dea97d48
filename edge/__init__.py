"""Answers redirects: code to link to device's destination, and the click in the spool before the answer."""

from edge.compiled import find_package

__path__ = [*find_package(), *__path__]
