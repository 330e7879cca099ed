"""Refunds in two steps: somebody with the right to grants money back, within limits or with a second person; then it is
sent, by rule or by finance (`payments.owing.sending`)."""
