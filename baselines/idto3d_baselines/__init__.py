"""Methods that make heads: one file a method, and the table of them in `specs`."""
