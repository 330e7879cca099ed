"""Keeps the children of `manage.py up` running and stops them in order."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from oms.embedded import CHECKOUT

STEADY_SECONDS = 60  # who lives as long has recovered: its next death starts the count anew
DEATHS_BEFORE_ALARM = 4
LONGEST_PAUSE_SECONDS = 30
GRACE_SECONDS = 15  # to finish requests and tasks; a task that takes longer is done again after the next start

_console = threading.Lock()


def say(source: str, text: str) -> None:
    """Print a line of a child, or of ours; a console that went away must not stop the children."""
    with _console, suppress(OSError):
        print(f"{source:<9}| {text}", flush=True)


@dataclass
class Child:
    """One program that is to run as long as the supervisor does."""

    name: str
    command: list[str]
    process: subprocess.Popen[str] | None = None
    deaths: int = 0
    started_at: float = 0
    next_start: float = 0

    def start(self) -> None:
        """Start it in a session of its own: Ctrl-C is for the supervisor, which stops its children in order."""
        wrapper = [sys.executable, "-I", str(Path(__file__).with_name("child.py")), str(os.getpid())]
        self.process = subprocess.Popen(  # noqa: S603 - our own children
            [*wrapper, *self.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd=CHECKOUT,
            start_new_session=True,
        )
        self.started_at = time.monotonic()
        threading.Thread(target=self._copy_output, args=[self.process], daemon=True).start()

    def is_running(self) -> bool:
        """Whether it is alive now."""
        return self.process is not None and self.process.poll() is None

    def note_death(self) -> None:
        """Say that it died and when it is started again: later each time."""
        assert self.process is not None  # noqa: S101
        now = time.monotonic()
        self.deaths = 1 if now - self.started_at > STEADY_SECONDS else self.deaths + 1
        pause = min(2.0 ** (self.deaths - 1), LONGEST_PAUSE_SECONDS)
        self.next_start = now + pause
        say("oms", f"{self.name} ended by itself (status {self.process.returncode}); it is restarted in {pause:g} s.")
        if self.deaths >= DEATHS_BEFORE_ALARM:
            say("oms", f"{self.name} has ended {self.deaths} times in a row now: see its lines above.")
        self._end_group()
        self.process = None

    def stop(self, *, in_a_hurry: Callable[[], bool]) -> None:
        """End it: in peace, unless it takes too long or somebody is in a hurry."""
        if self.process is None:
            return
        deadline = time.monotonic() + GRACE_SECONDS
        self.process.terminate()
        while self.process.poll() is None and time.monotonic() < deadline and not in_a_hurry():
            time.sleep(0.05)
        self._end_group()
        self.process.wait()
        self.process = None

    def _end_group(self) -> None:
        """Kill what is left of the child and of its own children."""
        assert self.process is not None  # noqa: S101
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def _copy_output(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101
        for line in process.stdout:
            say(self.name, line.rstrip())


@dataclass
class Supervisor:
    """Runs children until a signal comes; the second signal stops them the hard way."""

    data_dir: Path
    address: str  # where the site is, for the message to somebody who starts a second supervisor
    children: list[Child] = field(default_factory=list)
    signals: int = 0

    def listen_to_signals(self, *, interrupting: bool = False) -> None:
        """From now on Ctrl-C and SIGTERM are requests to stop, looked at between two steps.

        `interrupting`: they also raise KeyboardInterrupt where the program is, which may lose it: Python drops what is
        raised in a finaliser or in a callback of the import system. Hence `stop_if_asked` after each step.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._interrupt if interrupting else self._count_signal)

    def stop_if_asked(self) -> None:
        """Raises KeyboardInterrupt if a signal came."""
        if self.signals:
            raise KeyboardInterrupt

    def start(self, child: Child) -> None:
        """Start a child, and remember it for the case that we are killed."""
        child.start()
        if child not in self.children:
            self.children.append(child)
        self._remember()

    def run(self, watch: Callable[[], None]) -> None:
        """Restart what dies, until a signal comes. `watch` is called every second."""
        next_watch = 0.0
        while not self.signals:
            now = time.monotonic()
            for child in self.children:
                if child.process and not child.is_running():
                    child.note_death()
                elif not child.process and now >= child.next_start:
                    self.start(child)
            if now >= next_watch:
                watch()
                next_watch = now + 1
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the children, the last started first."""
        if self.children:
            say("oms", "stopping; Ctrl-C once more to stop at once")
        for child in reversed(self.children):
            child.stop(in_a_hurry=lambda: self.signals > 1)
        _state_file(self.data_dir).unlink(missing_ok=True)

    def _count_signal(self, number: int, frame: object) -> None:
        self.signals += 1

    def _interrupt(self, number: int, frame: object) -> None:
        self.signals += 1
        raise KeyboardInterrupt

    def _remember(self) -> None:
        started = []
        for child in self.children:
            with suppress(psutil.NoSuchProcess):
                if child.process:
                    started.append((child.process.pid, psutil.Process(child.process.pid).create_time()))
        state = {"address": self.address, "processes": started}
        unfinished = _state_file(self.data_dir).with_suffix(".unfinished")
        unfinished.write_text(json.dumps(state))
        unfinished.rename(_state_file(self.data_dir))


def running_address(data_dir: Path) -> str:
    """Where the supervisor of this data folder serves the site, as far as known."""
    return _state(data_dir).get("address", "an address not yet known")


def running_folders() -> list[Path]:
    """The data folders of the supervisors that run on this machine, as far as we may look."""
    found = set()
    for process in psutil.process_iter(["cmdline", "cwd"]):
        command = process.info["cmdline"] or []
        if "up" not in command[:3] or not any(Path(part).name == "manage.py" for part in command[:2]):
            continue
        with suppress(psutil.Error):
            named = process.environ().get("OMS_DATA_DIR")
            found.add((Path(process.info["cwd"] or ".") / (named or "var")).resolve())
    return sorted(found)


def end_leftovers(data_dir: Path) -> None:
    """End the children of a supervisor that was killed. The caller holds the supervisor's lock: that one is gone."""
    for pid, created in _state(data_dir).get("processes", []):
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if psutil.Process(pid).create_time() == created:
                say("oms", f"ending process {pid}, left over from a start that was killed")
                os.killpg(pid, signal.SIGTERM)
                with suppress(psutil.TimeoutExpired):
                    psutil.Process(pid).wait(GRACE_SECONDS)
                os.killpg(pid, signal.SIGKILL)
    _state_file(data_dir).unlink(missing_ok=True)


def _state(data_dir: Path) -> dict:
    try:
        return json.loads(_state_file(data_dir).read_text())
    except (FileNotFoundError, ValueError):
        return {}


def _state_file(data_dir: Path) -> Path:
    return data_dir / "up.json"
