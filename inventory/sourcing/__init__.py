"""Which warehouse sends what: rules as data, and a pure engine that follows them."""
