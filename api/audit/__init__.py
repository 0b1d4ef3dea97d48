"""The audit log: who changed what, when and from where. Rows are added and never changed."""
