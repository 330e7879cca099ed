"""What every API has in common: plumbing, errors, filters, requests."""
