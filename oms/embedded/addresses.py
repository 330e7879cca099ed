"""Where the embedded servers of a data folder listen. Nothing is started here; settings.py imports this."""

import hashlib
import os
from pathlib import Path


def socket_folder(data_dir: Path) -> Path:
    """The folder of the sockets of this data folder.

    A socket's path may have 107 bytes (103 on macOS) and the data folder's may be longer, hence a hash of it. /tmp
    itself and not `tempfile.gettempdir()`: two shells with different TMPDIR must find the same server.
    """
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:12]
    return Path(f"/tmp/oms-{os.getuid()}-{name}")  # noqa: S108 - made with mode 700, its owner is checked at the start


def database_url(data_dir: Path) -> str:
    """The URL of the database `oms` on the embedded PostgreSQL, for DATABASE_URL, psql and Django alike."""
    return f"postgresql://postgres@:5432/oms?host={socket_folder(data_dir)}"


def valkey_socket(data_dir: Path) -> Path:
    """The socket of the embedded Valkey."""
    return socket_folder(data_dir) / "valkey.sock"


def redis_url(data_dir: Path) -> str:
    """The URL of the embedded Valkey in the form that Celery's transport takes."""
    return f"redis+socket://{valkey_socket(data_dir)}"
