"""Where events come from: one Protocol, one module a technology."""
