"""Papers of the warehouse: waybill labels, pick lists and packing slips, what is left out of them, and the log."""
