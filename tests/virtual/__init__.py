"""Virtual goods: the stock of codes, and their way to the buyer."""
