"""SMS messages: rendered, their URLs shortened a recipient each, stored, and handed to a gateway."""
