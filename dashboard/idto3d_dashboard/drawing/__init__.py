"""Charts, tables and pictures from plain data; nothing here reads a run."""
