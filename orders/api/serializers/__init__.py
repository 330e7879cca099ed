"""What the API shows and takes, by subject. Orders that come in are msgspec's: see `orders.intake.bodies`."""
