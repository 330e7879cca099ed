"""What carriers are asked, and what they say."""
