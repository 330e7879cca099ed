"""Changes of placed orders: cancelling a part, change sets, addresses."""
