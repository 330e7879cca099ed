"""What is owed, and money going back."""
