"""What other folders may use of the aggregator. Nothing else of it is imported from outside."""
