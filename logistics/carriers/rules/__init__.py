"""Which carrier gets a parcel: rules of staff, what carriers ask and take, and what was decided, in words."""
