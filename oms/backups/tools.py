"""PostgreSQL's own programs: those of the embedded server's package, else those on the path."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection
from psycopg import pq

from oms.backups.archive import CHUNK_BYTES
from oms.backups.errors import BackupError
from oms.embedded import postgres
from oms.embedded.errors import EmbeddedError

# Set by the preamble of a dump, and unknown to servers before PostgreSQL 17.
_UNKNOWN_BEFORE_17 = b"SET transaction_timeout = 0;\n"
_PREAMBLE_BYTES = 4096
_OF_THE_SCHEMA = re.compile(rb"^[0-9]+; [0-9]+ [0-9]+ (SCHEMA - public|COMMENT - SCHEMA public) ")


def dump(into: IO[bytes], snapshot: str) -> None:
    """Write the database as the snapshot has it, compressed, in pg_dump's own format. Raises BackupError."""
    options = ["--format=custom", "--schema=public", "--no-owner", "--no-privileges", "--lock-wait-timeout=60s"]
    with _running("pg_dump", *options, f"--snapshot={snapshot}") as program:
        assert program.stdout  # noqa: S101
        shutil.copyfileobj(program.stdout, into, CHUNK_BYTES)


def load(dumped: IO[bytes], before: str, after: str) -> None:
    """Run the SQL `before`, load the dump, and run the SQL `after`, all in one transaction. Raises BackupError.

    The end of the transaction is said only after everything else was read: whoever dies before leaves nothing behind.
    """
    with _running("psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", "--file=-", stdin=subprocess.PIPE) as psql:
        assert psql.stdin  # noqa: S101
        psql.stdin.write(f"BEGIN;\n{before}\n".encode())
        with tempfile.NamedTemporaryFile(prefix="restore-", suffix=".dump", dir=settings.DATA_DIR) as file:
            shutil.copyfileobj(dumped, file, CHUNK_BYTES)
            file.flush()
            entries = _entries(Path(file.name))
            options = ["--file=-", "--no-owner", "--no-privileges", f"--use-list={entries.name}"]
            with entries, _running("pg_restore", *options, file.name) as script:
                assert script.stdout  # noqa: S101
                preamble = script.stdout.read(_PREAMBLE_BYTES)
                if server_version() < 170000:
                    preamble = preamble.replace(_UNKNOWN_BEFORE_17, b"")
                psql.stdin.write(preamble)
                shutil.copyfileobj(script.stdout, psql.stdin, CHUNK_BYTES)
        psql.stdin.write(f"{after}\nCOMMIT;\n".encode())
        psql.stdin.close()


def _entries(dumped: Path) -> "tempfile._TemporaryFileWrapper[bytes]":
    """A list, in a file, of what is to be loaded of the dump: all but the schema itself, which every database has."""
    file = tempfile.NamedTemporaryFile(prefix="restore-", suffix=".list", dir=settings.DATA_DIR)  # noqa: SIM115
    with _running("pg_restore", "--list", str(dumped)) as listing:
        assert listing.stdout  # noqa: S101
        file.writelines(line for line in listing.stdout if not _OF_THE_SCHEMA.search(line))
    file.flush()
    return file


@contextmanager
def _running(name: str, *arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program while the caller reads or feeds it. Raises BackupError with its own words where it failed."""
    with tempfile.TemporaryFile() as errors:
        program = subprocess.Popen(  # noqa: S603 - PostgreSQL's own
            [find(name), *arguments],
            stdin=stdin,
            stdout=subprocess.DEVNULL if stdin == subprocess.PIPE else subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **_libpq_environment()},
        )
        try:
            yield program
        except BaseException as error:
            # Who is fed and hangs up has ended with something to say.
            if not (program.stdin and isinstance(error, BrokenPipeError)):
                program.kill()
                program.wait()
                raise
        finally:
            for pipe in (program.stdin, program.stdout):
                if pipe:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if program.wait():
            errors.seek(0)
            words = errors.read().decode(errors="replace").strip().splitlines() or [f"status {program.returncode}"]
            raise BackupError(f"{name} failed: {' '.join(words[-3:])}")


def server_version() -> int:
    """The server's version as PostgreSQL counts: 180004 is 18.4."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        return int(cursor.fetchone()[0])


def find(name: str) -> Path:
    """The program, of the server's version or a newer one. Raises BackupError where there is none."""
    server = server_version() // 10_000
    try:
        candidates = [postgres.binary(name)]
    except EmbeddedError:
        candidates = []
    if on_path := shutil.which(name):
        candidates.append(Path(on_path))
    for candidate in candidates:
        if _version(candidate) >= server:
            return candidate
    raise BackupError(
        f"No {name} of PostgreSQL {server} or newer was found. Install PostgreSQL's client programs of that version,"
        " and put their folder in PATH."
    )


def _version(program: Path) -> int:
    """The major version that the program says of itself, as in `pg_dump (PostgreSQL) 18.4`."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout  # noqa: S603
    words = said.replace(".", " ").split()
    return next((int(word) for word in words if word.isdigit()), 0)


def _libpq_environment() -> dict[str, str]:
    """Django's connection in variables of PostgreSQL's programs: a password among the arguments is for all to see."""
    parameters = connection.get_connection_params()
    variables = {option.keyword.decode(): (option.envvar or b"").decode() for option in pq.Conninfo.get_defaults()}
    return {
        variables[name]: str(value)
        for name, value in parameters.items()
        if variables.get(name) and value is not None and name != "application_name"
    }
