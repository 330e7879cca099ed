"""`manage.py up`: the whole site on this machine with one command."""

import contextlib
import errno
import fcntl
import os
import secrets
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connection, connections
from django.utils import translation

from oms.embedded import CHECKOUT, LOCAL_HOSTS, addresses, attach, postgres, valkey
from oms.embedded.errors import EmbeddedError
from oms.embedded.processes import wait_until
from oms.embedded.supervisor import Child, Supervisor, end_leftovers, running_address, say

SHOWN_TROUBLES = 3
PATIENCE_SECONDS = 10  # for what was stopped just now to end, and to leave its port
EVERY_INTERFACE = {"0.0.0.0", "::"}  # noqa: S104 - only if somebody asks for it


class Command(BaseCommand):
    """Starts the servers, prepares the data, and runs web, worker and beat until Ctrl-C."""

    help = "Run the whole OMS on this machine; Ctrl-C stops it. Data stays in the data folder (OMS_DATA_DIR, else var)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--workers", type=int, default=2, help="processes for the web, and as many for tasks")
        parser.add_argument("--no-sample", action="store_true", help="leave an empty database empty")
        parser.add_argument(
            "--orders-per-minute",
            type=float,
            default=settings.SAMPLE_ORDERS_PER_MINUTE,
            help="how many orders a minute the sample's shop goes on selling; 0: none",
        )
        parser.add_argument(
            "--simulators-port",
            type=int,
            default=None,
            help="of the pretended payment providers; 1000 above the site's unless given",
        )

    def handle(self, *args, **options) -> None:
        """Run until a signal comes."""
        self.data_dir = Path(settings.DATA_DIR)
        self.host, self.port, self.workers = options["host"], options["port"], options["workers"]
        self.orders_per_minute = options["orders_per_minute"]
        self.simulators_port = options["simulators_port"] or self.port + 1000
        shown_host = "localhost" if self.host in EVERY_INTERFACE else self.host
        self.address = f"http://{f'[{shown_host}]' if ':' in shown_host else shown_host}:{self.port}"
        try:
            with only_one(self.data_dir):
                end_leftovers(self.data_dir)
                check_port(self.host, self.port)
                self._serve(with_sample=not options["no_sample"])
        except (EmbeddedError, OSError) as error:
            raise CommandError(str(error)) from error

    def _serve(self, *, with_sample: bool) -> None:
        supervisor = Supervisor(self.data_dir, self.address)
        self.owns_postgres = not os.environ.get("DATABASE_URL")
        try:
            supervisor.listen_to_signals(interrupting=True)
            attach()
            # Named in the environment, so that the children join nothing and stop nothing.
            if self.owns_postgres:
                os.environ["DATABASE_URL"] = addresses.database_url(self.data_dir)
            if not os.environ.get("REDIS_URL"):
                self._start_valkey(supervisor)
                os.environ["REDIS_URL"] = addresses.redis_url(self.data_dir)
            check_database()
            say("oms", "preparing the database, translations and static files; the first time takes a while")
            call_command("prepare", verbosity=0)
            supervisor.stop_if_asked()
            os.environ.setdefault("OMS_PUBLIC_URL", self.address)
            self.simulators = connect_simulators(self.data_dir, self.simulators_port, with_sample=with_sample)
            if with_sample:
                load_sample(self.data_dir)
            if self.simulators:
                issue_invoices(self.data_dir)
                connect_carrier(self.data_dir, self.simulators)
                connect_warehouse(self.data_dir, self.simulators)
            supervisor.stop_if_asked()
            make_administrator(self.data_dir)
            self.has_plot, self.to_try = to_try()
            connections.close_all()
            self._allow_host()
            os.environ["PYTHONUNBUFFERED"] = "1"
            os.environ.setdefault("OMS_REQUEST_LOG_LEVEL", "WARNING")  # the console is for people
            os.environ.setdefault("OMS_LOG_JSON", "0")
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(fresh_metrics(self.data_dir))
            supervisor.listen_to_signals()
            supervisor.stop_if_asked()
            for child in self._site():
                supervisor.start(child)
            self.announced = False
            supervisor.run(self._watch)
        except KeyboardInterrupt:
            pass  # while preparing; the next start goes on from there
        finally:
            supervisor.listen_to_signals()
            supervisor.stop()
            if self.owns_postgres:
                connections.close_all()
                postgres.release(self.data_dir)
            say("oms", "stopped")

    def _start_valkey(self, supervisor: Supervisor) -> None:
        valkey.stop_leftover(self.data_dir)
        child = Child("valkey", valkey.command(self.data_dir))
        supervisor.start(child)
        wait_until(lambda: valkey.is_ready(self.data_dir) or not child.is_running(), 60)
        if not valkey.is_ready(self.data_dir):
            raise EmbeddedError(
                f"Valkey does not start: see {valkey.log_path(self.data_dir)}. Or set REDIS_URL to a server of yours."
            )

    def _site(self) -> list[Child]:
        """The children in the order of their start; they are stopped the other way round."""
        as_root = "ignore:You're running the worker with superuser"
        celery = [sys.executable, "-W", as_root, "-m", "celery", "--quiet", "-A", "oms"]
        level = os.environ.get("LOG_LEVEL", "WARNING")  # each of beat's ticks is two lines at INFO
        schedule = self.data_dir / "celerybeat-schedule"
        bind = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        web = [sys.executable, "-m", "gunicorn", "oms.wsgi:application", "--bind", bind, "--worker-class"]
        web += ["oms.web_worker.Worker"]
        web += ["--workers", str(self.workers), "--threads", "4", "--graceful-timeout", "10", "--no-control-socket"]
        simulate = [sys.executable, "manage.py", "simulate", "--port", str(self.simulators_port)]
        sell = [sys.executable, "manage.py", "sell_sample", "--per-minute", str(self.orders_per_minute)]
        sells = self.simulators and self.orders_per_minute > 0 and self.has_plot
        return [
            *([Child("providers", simulate)] if self.simulators else []),
            Child("worker", [*celery, "worker", "--concurrency", str(self.workers), "--loglevel", level]),
            Child("calls", [*celery, *CALLS, "--loglevel", level]),
            Child("webhooks", [sys.executable, "manage.py", "send_webhooks"]),
            Child("beat", [*celery, "beat", "--schedule", str(schedule), "--pidfile", "", "--loglevel", level]),
            Child("web", web),
            *([Child("shop", sell)] if sells else []),
        ]

    def _watch(self) -> None:
        try:
            if self.owns_postgres and postgres.revive(self.data_dir):
                say("oms", "PostgreSQL had ended by itself; it has been started again.")
        except (EmbeddedError, OSError) as error:
            say("oms", str(error))
        if not self.announced and is_listening(self.host, self.port):
            self._announce()

    def _announce(self) -> None:
        self.announced = True
        password_file = password_path(self.data_dir)
        say("oms", "")
        say("oms", f"The site is ready:  {self.address}/admin/  (user admin)")
        if password_file.exists():
            say("oms", f"Password:           see {password_file}")
        say("oms", f"API documentation:  {self.address}/api/docs/")
        if self.simulators:
            say("oms", f"Payment providers:  {self.simulators}/  (pretended; pay there by hand)")
        speed = os.environ.get("OMS_TIME_SPEED", "1")
        if float(speed) != 1:
            say("oms", f"Deliberate waits pass {speed} times faster than in real life (OMS_TIME_SPEED=1: real).")
        if self.has_plot and self.orders_per_minute > 0:
            rate = f"{self.orders_per_minute:g} orders a minute"
            say("oms", f"The sample's shop sells {rate} (OMS_SAMPLE_ORDERS_PER_MINUTE=0: none).")
        if self.to_try:
            say("oms", "Try this; the list of all of it stands on the dashboard:")
        for words in self.to_try:
            say("oms", f"  - {words}")
        say("oms", "Ctrl-C stops everything; the data stays.")
        say("oms", "")

    def _allow_host(self) -> None:
        """Somebody who chose an address wants to be served there, unless the allowed hosts were chosen too."""
        if os.environ.get("ALLOWED_HOSTS") == LOCAL_HOSTS:
            os.environ["ALLOWED_HOSTS"] += ",*" if self.host in EVERY_INTERFACE else f",{self.host}"


# Calls to other systems mostly wait; threads of one process do.
CALLS = ("worker", "--queues", "outside", "--pool", "threads", "--concurrency", "8", "--hostname", "calls@%h")


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Refuse a second supervisor of the data folder; one that is about to end gets some seconds."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("w") as lock:
        if not locked(lock):
            say("oms", f"the OMS of this data folder still runs; waiting up to {PATIENCE_SECONDS} seconds for its end")
        if not wait_until(lambda: locked(lock), PATIENCE_SECONDS):
            raise EmbeddedError(
                f"The OMS of the data folder {data_dir} is already running, at {running_address(data_dir)}. Stop it "
                "first, or start another with a data folder and a port of its own: make run OMS_DATA_DIR=… PORT=…"
            )
        yield


def locked(file: IO[str]) -> bool:
    """Whether we hold the lock of the open file now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def check_port(host: str, port: int, *, argument: str = "PORT=") -> None:
    """Refuse a port that cannot be used, before anything is started there. One that is in use gets some seconds: what
    was stopped just now may be about to leave it."""
    waited_until = time.monotonic() + PATIENCE_SECONDS
    is_told = False
    while error := port_error(host, port):
        if getattr(error, "errno", None) != errno.EADDRINUSE or time.monotonic() > waited_until:
            raise EmbeddedError(
                f"Port {port} of {host} cannot be used: {error}. Choose another: make run {argument}{port + 1}"
            ) from error
        if not is_told:
            say("oms", f"port {port} is in use; waiting up to {PATIENCE_SECONDS} seconds for it")
            is_told = True
        time.sleep(0.2)


def port_error(host: str, port: int) -> OSError | OverflowError | None:
    """Why nobody can listen there now; None where one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except (OSError, OverflowError) as error:
        return error
    return None


def check_database() -> None:
    """Refuse a database that cannot be reached, before the migrations fail with a long report."""
    try:
        connection.ensure_connection()
    except OperationalError as error:
        raise EmbeddedError(f"The database cannot be reached: {' '.join(str(error).split())}") from error


def is_listening(host: str, port: int) -> bool:
    """Whether somebody takes connections there."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    try:
        socket.create_connection((target, port), timeout=1).close()
    except OSError:
        return False
    return True


def connect_simulators(data_dir: Path, port: int, *, with_sample: bool) -> str:
    """Connect the site of a sample with pretended payment providers, or one that was connected before. Returns their
    address; empty where the site pays in another way."""
    # They need the models, which are not there yet while the command is only looked up.
    from oms.simulators import connecting, keys

    if not connecting.are_connected() and not (with_sample and connecting.may_be_connected()):
        return ""
    check_port("127.0.0.1", port, argument="ARGS=--simulators-port=")
    address = f"http://127.0.0.1:{port}"
    connecting.connect(keys.kept(connecting.keys_path(data_dir)), address)
    return address


def issue_invoices(data_dir: Path) -> None:
    """Let the merchants of the sample issue invoices through the pretended service."""
    from oms.simulators import connecting, keys

    connecting.issue_invoices(keys.kept(connecting.keys_path(data_dir)))


def connect_carrier(data_dir: Path, address: str) -> None:
    """Connect the site with the pretended carrier platforms, after the carriers of the sample."""
    from oms.simulators import connecting, keys

    known = keys.kept(connecting.keys_path(data_dir))
    connecting.connect_carrier(known, address)
    connecting.connect_tracker(known, address)


def connect_warehouse(data_dir: Path, address: str) -> None:
    """Connect the site with the pretended warehouse system, for one warehouse of the sample."""
    from oms.simulators import connecting, keys

    connecting.connect_warehouse(keys.kept(connecting.keys_path(data_dir)), address)


def load_sample(data_dir: Path) -> None:
    """Fill an empty database with the sample; also go on with it where the last start was interrupted meanwhile."""
    sample = CHECKOUT / "sample"
    unfinished = data_dir / "sample.unfinished"
    if not sample.exists() or (apps.get_model("orders", "Order").objects.exists() and not unfinished.exists()):
        return
    # It needs the models, which are not there yet while the command is only looked up.
    from logistics.routing.defaults import install_sample_station
    from oms.plot import staging

    say("oms", f"first start: loading the sample of {sample} (--no-sample leaves the database empty)")
    unfinished.touch()
    call_command("load_data", str(sample))
    install_sample_station()
    # Before the others: its stages work on all that is there.
    say("oms", f"staged {len(staging.stage())} troubles to try the pages on")
    for name in ("orders.jsonl.gz", "orders-mall.jsonl"):
        call_command("import_orders", str(sample / name), recent=True)
    unfinished.unlink()


def to_try() -> tuple[bool, list[str]]:
    """Whether a plot was staged here, and three of its troubles that are left, with what to do about them."""
    from oms.common.models import StagedTrouble
    from oms.plot import staging

    with translation.override("en"):
        return StagedTrouble.objects.exists(), [f"{words} {job}" for words, job in staging.left_to_try(SHOWN_TROUBLES)]


def make_administrator(data_dir: Path) -> None:
    """Make the user `admin` with a random password where there is no administrator yet."""
    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists():
        return
    password = secrets.token_urlsafe(12)
    path = password_path(data_dir)
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{password}\n")
    users.create_superuser("admin", password=password)
    say("oms", f"Made the administrator: user admin, password {password} (also in {path})")


def fresh_metrics(data_dir: Path) -> Path:
    """The folder in which web and workers count together, without what the last start counted."""
    folder = data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def password_path(data_dir: Path) -> Path:
    """The file that keeps the administrator's first password."""
    return data_dir / "admin-password.txt"
