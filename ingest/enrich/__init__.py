"""What a click tells beyond its own fields: a named, ordered list of steps, one module each."""
