"""psycopg as Django is to use it: its own names, but for connections that are watched."""

from psycopg import *  # noqa: F403 - all that PEP 249 names, which Django looks up here

from oms.common.postgresql.watching import WatchedConnection

connect = WatchedConnection.connect
