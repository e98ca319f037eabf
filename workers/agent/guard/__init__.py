"""What an agent checks for itself before it runs anything: it believes nobody who can merely write to Redis."""
