"""SKU matching (商品匹配): what the codes of a channel stand for, and the orders that wait for somebody to say it."""
