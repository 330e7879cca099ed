"""Virtual goods."""
