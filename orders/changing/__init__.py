"""Changes of a placed order."""
