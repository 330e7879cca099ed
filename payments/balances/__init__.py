"""Gift cards and points: issued, held and spent by orders, given back, earned, expired, adjusted."""
