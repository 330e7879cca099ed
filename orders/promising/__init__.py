"""What orders are promised, from the choice of the warehouse on."""
