"""Review rules, and taking back."""
