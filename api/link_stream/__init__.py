"""Links made and changed by events on Kafka, through the same services as over HTTP."""
