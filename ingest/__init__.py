"""Takes clicks and link events from the bus, enriches and judges them, and stores each exactly once."""
