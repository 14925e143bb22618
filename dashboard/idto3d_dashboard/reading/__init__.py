"""What a run's folder holds, read lazily and kept by content; nothing here draws."""
