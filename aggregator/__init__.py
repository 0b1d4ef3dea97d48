"""Owns the warehouse's schema and all that happens to rows after they are stored."""
