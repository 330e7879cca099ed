"""Which database a command works on, in words for its messages."""

import os
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import ProgrammingError

from oms.embedded.addresses import database_url
from oms.embedded.supervisor import running_folders
from oms.merchants.models import Merchant


def database_in_words() -> str:
    """Where the data lies: the data folder of the embedded server, or the server and its database."""
    if os.environ.get("DATABASE_URL") in (None, "", database_url(Path(settings.DATA_DIR))):
        return f"the data folder {settings.DATA_DIR} (OMS_DATA_DIR names another)"
    database = settings.DATABASES["default"]
    host = database.get("HOST") or database.get("OPTIONS", {}).get("host", "")
    return f"the database {database['NAME']} of {host or 'this machine'} (DATABASE_URL names another)"


def find_merchant(code: str) -> Merchant:
    """The merchant of the code. Raises CommandError, which says where it was looked for and what to do."""
    try:
        found = Merchant.objects.filter(code=code).first()
        is_empty = found is None and not Merchant.objects.exists()
    except ProgrammingError as error:
        raise CommandError(f"There are no tables in {database_in_words()}: run `manage.py prepare`.") from error
    if found is not None:
        return found
    others = [folder for folder in running_folders() if folder != Path(settings.DATA_DIR)]
    hint = f" Another OMS is running with OMS_DATA_DIR={others[0]}." if others else ""
    if is_empty:
        raise CommandError(
            f"There is no merchant {code}, nor any other, in {database_in_words()}.{hint} Load some with `manage.py"
            " load_data DIR` (DIR `sample`: the sample's), or open one in the admin."
        )
    raise CommandError(f"There is no merchant {code} in {database_in_words()}.{hint}")
