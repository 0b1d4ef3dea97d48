"""Administration and reports over HTTP."""
