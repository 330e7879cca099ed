"""What the staff's pages have in common."""
