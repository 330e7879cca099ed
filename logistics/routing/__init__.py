"""Own couriers: stations, the day's routes, and what couriers tell from the road."""
