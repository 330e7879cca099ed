"""The merchants' pages on which they work every day; their site is `oms.merchant_admin`."""
