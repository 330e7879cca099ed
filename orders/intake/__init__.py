"""Intake: an order's body is decoded, checked, numbered, apportioned and stored, a batch at a time.

bodies.py   what an order looks like on the wire
checking.py what must be true of it; what is wrong is named by field
pricing.py  the same of promotions, changes of price and collected money
promotion_rules.py  rules of promotions that the machine can read
sharing.py  each line's share of every amount of the order
storing.py  numbers, and writes a batch by COPY
placing.py  the service that the API and the import command call
"""
