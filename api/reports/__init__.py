"""Reports: what was clicked, when, where and by whom. SQL on the warehouse, shaped into plain values."""
