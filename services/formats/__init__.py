"""Settlement report bytes to lines: one module a report format."""
