"""What all that speak to Kafka share: where it is, who we are there, and our topics."""
