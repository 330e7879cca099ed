"""`manage.py up` as a newcomer meets it."""

import contextlib
import os
import signal
import socket
import stat
import threading
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from oms.embedded import addresses, valkey
from oms.embedded.management.commands.up import check_port, only_one
from oms.embedded.processes import wait_until
from oms.embedded.supervisor import GRACE_SECONDS


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def up(run, folder, free_port):
    # Without static files and translations to prepare, which take most of the time of a first start.
    return lambda: run("manage.py", "up", "--no-sample", "--port", str(free_port), "--workers", "1", DEBUG="1")


def children(program, name):
    found = psutil.Process(program.process.pid).children()
    return [process for process in found if name in " ".join(process.cmdline())]


def test_a_busy_port_is_refused_before_anything_is_started(folder, run):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        status, output = run("manage.py", "up", "--port", str(port)).finish()
    assert status == 1
    assert f"Port {port} of 127.0.0.1 cannot be used" in output
    assert f"make run PORT={port + 1}" in output
    assert not (folder.path / "postgres").exists()


def test_a_port_that_is_just_being_left_is_waited_for():
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    leaving = threading.Timer(1, server.close)
    leaving.start()
    try:
        check_port("127.0.0.1", port)  # raises EmbeddedError where it does not wait
    finally:
        leaving.join()
    socket.create_server(("127.0.0.1", port)).close()


def test_a_start_that_is_about_to_end_is_waited_for(tmp_path):
    with contextlib.ExitStack() as ending:
        ending.enter_context(only_one(tmp_path))
        threading.Timer(1, ending.close).start()
        with only_one(tmp_path):  # raises EmbeddedError where it does not wait
            pass


def test_up_serves_the_site_and_leaves_nothing_running(folder, run, up, free_port):
    site = up()
    password = site.wait_for("Made the administrator").split("password ")[1].split()[0]
    site.wait_for("The site is ready")
    password_file = folder.path / "admin-password.txt"
    assert password_file.read_text().strip() == password
    assert stat.S_IMODE(password_file.stat().st_mode) == 0o600
    with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/admin/login/", timeout=30) as response:
        assert response.status == 200

    elsewhere = f"{folder.path}-2"
    status, output = run("manage.py", "create_credential", "SELF", OMS_DATA_DIR=elsewhere).finish()
    assert status == 1
    assert f"There is no database in the data folder {elsewhere}." in output
    assert f"OMS_DATA_DIR={folder.path}" in output
    assert not Path(elsewhere).exists()
    status, output = run("manage.py", "create_credential", "SELF").finish()
    assert status == 1
    assert f"There is no merchant SELF, nor any other, in the data folder {folder.path}" in output
    assert "load_data" in output

    site.signal(signal.SIGTERM)
    status, output = site.finish()
    assert status == 0
    assert output.endswith("oms      | stopped\n")
    assert folder.processes() == []


@pytest.mark.soak
def test_what_dies_is_started_again_but_nothing_is_started_twice(folder, up, free_port):
    site = up()
    site.wait_for("The site is ready")
    status, output = up().finish()
    assert status == 1
    assert f"already running, at http://127.0.0.1:{free_port}" in output
    celery = len(children(site, "celery"))
    for name in ("gunicorn", "celery", "valkey-server"):
        os.kill(children(site, name)[0].pid, signal.SIGKILL)
        site.wait_for("ended by itself (status -9); it is restarted in 1 s.")
    os.kill(folder.server_pid(), signal.SIGKILL)
    site.wait_for("PostgreSQL had ended by itself; it has been started again.")
    assert wait_until(lambda: len(children(site, "celery")) == celery and valkey.is_ready(folder.path), 20)
    site.signal(signal.SIGTERM)
    assert site.finish()[0] == 0
    assert folder.processes() == []


@pytest.mark.soak
def test_after_a_kill_the_children_end_and_the_next_start_goes_on_with_the_data(folder, up):
    site = up()
    site.wait_for("The site is ready")
    site.signal(signal.SIGKILL)
    site.process.wait()
    assert wait_until(lambda: {process.name() for process in folder.processes()} <= {"postgres"}, 30)
    server = folder.server_pid()

    again = up()
    line = again.wait_for("The site is ready")
    assert "Made the administrator" not in line
    assert folder.server_pid() == server
    again.signal(signal.SIGINT)
    assert again.finish()[0] == 0
    assert folder.processes() == []
    assert not addresses.valkey_socket(folder.path).exists()


@pytest.mark.soak
def test_ctrl_c_while_preparing_stops_everything_too(folder, up):
    site = up()
    site.wait_for("preparing the database")
    site.signal(signal.SIGINT)
    site.finish()
    assert folder.processes() == []


LOSES_THE_INTERRUPT = """
import os, signal, sys
from oms.embedded.management.commands import up

class Loser:
    def __del__(self):  # what is raised in here Python only prints
        os.kill(os.getpid(), signal.SIGINT)
        for _ in range(1000): pass

run = up.call_command
def call_command(*arguments, **options):
    Loser()
    run(*arguments, **options)

up.call_command = call_command
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


def test_ctrl_c_that_the_interpreter_loses_while_preparing_stops_it_all_the_same(folder, run, free_port):
    arguments = ["up", "--no-sample", "--port", str(free_port)]
    site = run(
        "-c",
        f"from oms.embedded import prepare_environment; prepare_environment(){LOSES_THE_INTERRUPT}",
        *arguments,
        DEBUG="1",
        DJANGO_SETTINGS_MODULE="oms.settings",
    )
    lines = []
    for line in site.process.stdout:
        lines.append(line)
        assert "The site is ready" not in line
    assert any("KeyboardInterrupt" in line for line in lines), lines
    assert site.process.wait() == 0
    assert lines[-1] == "oms      | stopped\n"
    assert folder.processes() == []


@pytest.mark.soak
def test_a_second_ctrl_c_does_not_wait_for_a_worker_that_hangs(folder, up):
    site = up()
    site.wait_for("The site is ready")
    for process in children(site, "celery"):
        process.suspend()
    site.signal(signal.SIGINT)
    site.wait_for("stopping")
    asked_at = time.monotonic()
    site.signal(signal.SIGINT)
    assert site.finish()[0] == 0
    assert time.monotonic() - asked_at < GRACE_SECONDS
    assert folder.processes() == []
