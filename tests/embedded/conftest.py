"""Data folders of their own for tests with real servers, and real processes that use them."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from oms.embedded import CHECKOUT, addresses, postgres

NOT_ON_A_BARE_MACHINE = {
    *("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ORDER_NUMBER_KEY", "DEBUG", "ALLOWED_HOSTS", "HTTPS_ONLY"),
    *("OMS_TIME_SPEED", "DJANGO_SETTINGS_MODULE"),
}

USER = """
import os, sys
from oms.embedded import EmbeddedError, attach
try:
    attach()
except EmbeddedError as error:
    sys.exit(f"refused: {error}")
%s
print("attached", flush=True)
sys.stdin.read()
"""


@dataclass
class Program:
    """A running program with its input and output."""

    process: subprocess.Popen[str]

    def wait_for(self, text: str) -> str:
        """Read on to the line with this text, and return that line."""
        seen = []
        for line in self.process.stdout:
            if text in line:
                return line
            seen.append(line)
        raise AssertionError(f"{text!r} is missing in the output:\n{''.join(seen)}")

    def signal(self, number: int) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    def finish(self) -> tuple[int, str]:
        """End its input, wait for its end, and return its status and the output that was not read yet."""
        output, _ = self.process.communicate(timeout=90)
        return self.process.returncode, output


@dataclass
class Folder:
    """A data folder and what runs for it."""

    path: Path

    def server_pid(self) -> int | None:
        """The process number of its PostgreSQL, if that runs."""
        server = postgres.server_process(self.path)
        return server.pid if server else None

    def processes(self) -> list[psutil.Process]:
        """Every process that was started for it; PostgreSQL only with its own children gone means nothing is left."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("OMS_DATA_DIR") == str(self.path)
        except psutil.Error:
            return False


@contextmanager
def made_folder() -> Iterator[Folder]:
    """A data folder with nothing in it, its path too long for a socket; nothing of it is left running afterwards.

    Not in `tmp_path`: as root, PostgreSQL's user is let through the closed folders above, and those are pytest's own.
    """
    with tempfile.TemporaryDirectory(prefix="oms-test-") as top:
        folder = Folder(Path(top).resolve() / ("deep" * 20) / "with a space" / "var")
        try:
            yield folder
        finally:
            postgres.stop(folder.path)
            for process in folder.processes():
                process.kill()
            shutil.rmtree(addresses.socket_folder(folder.path), ignore_errors=True)


@contextmanager
def runner(folder: Folder) -> Iterator[Callable[..., Program]]:
    """Start Python in the checkout, as on a bare machine; what still runs at the end is killed."""
    programs = []

    def run_python(*arguments: str, **environment: str) -> Program:
        kept = {name: value for name, value in os.environ.items() if name not in NOT_ON_A_BARE_MACHINE}
        process = subprocess.Popen(  # noqa: S603 - our own code
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env={**kept, "OMS_DATA_DIR": str(folder.path), **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        programs.append(Program(process))
        return programs[-1]

    try:
        yield run_python
    finally:
        for program in programs:
            program.signal(signal.SIGKILL)
            program.process.communicate()


@pytest.fixture
def folder() -> Iterator[Folder]:
    """A data folder of the test."""
    with made_folder() as folder:
        yield folder


@pytest.fixture
def run(folder: Folder) -> Iterator[Callable[..., Program]]:
    """Starts Python on the test's data folder."""
    with runner(folder) as run_python:
        yield run_python


@pytest.fixture
def run_user(run: Callable[..., Program]) -> Callable[..., Program]:
    """Start a process that attaches, runs the code given, says `attached`, and stays until its input ends."""
    return lambda code="", **environment: run("-c", USER % code, **environment)
