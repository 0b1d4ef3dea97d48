"""Who may do what: tenants, service keys, tokens of identity providers, scopes and limits."""
