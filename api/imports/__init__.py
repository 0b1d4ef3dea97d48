"""Links of other shorteners: what their exports look like, and how a row of one becomes a link."""
