"""A client of the OMS for merchants' programs. It needs nothing but Python; copy the folder where you like.

    from oms.client import Client

    oms = Client("https://oms.example", app_key="ak_…", secret="sk_…")
    order = oms.create_order({...})

On the command line: `python -m oms.client --help`.
"""

from oms.client.calling import Answer, ApiError, Client, Unreachable

__all__ = ["Answer", "ApiError", "Client", "Unreachable"]
