"""Invoices: what is to be invoiced of an order and taken back, through invoice services, to the buyers' mailboxes.

`targets` and `lines` are the arithmetic, `books` reads what it needs, `planning` is the stage that asks for invoices
and red letters, `advancing` the one that talks to the services, `mailing` the one that mails. People act by `asking`.
"""
