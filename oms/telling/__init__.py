"""Merchants told in time of what waits for them: by mail, webhook or robot, all that is new in one message, once."""
