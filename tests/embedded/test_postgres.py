"""Who starts and who stops the embedded PostgreSQL; real processes, killed for real."""

import os
import shutil
import signal
import stat
import time

import psutil
import psycopg
import pytest

from oms.embedded import addresses, postgres, system_user
from oms.embedded.errors import EmbeddedError
from oms.embedded.processes import wait_until

as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root needs another user for PostgreSQL")


def query(folder, sql):
    with psycopg.connect(addresses.database_url(folder.path), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchone() if cursor.description else None


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_users_share_one_server_and_the_last_one_out_stops_it(folder, run_user):
    users = [run_user(), run_user(), run_user()]  # at the same time, on a folder that is not there yet
    for user in users:
        user.wait_for("attached")
    server = folder.server_pid()

    assert users[0].finish() == (0, "")
    assert users[1].finish() == (0, "")
    assert folder.server_pid() == server
    assert query(folder, "SELECT current_database(), current_setting('fsync')") == ("oms", "on")

    assert users[2].finish() == (0, "")
    assert folder.server_pid() is None
    assert not is_alive(server)


def test_a_user_ended_by_sigterm_stops_the_server(folder, run_user):
    user = run_user()
    user.wait_for("attached")
    user.signal(signal.SIGTERM)
    assert user.finish()[0] != 0
    assert folder.server_pid() is None


def test_a_server_left_over_by_a_killed_user_is_adopted_and_then_stopped(folder, run_user):
    killed = run_user()
    killed.wait_for("attached")
    server = folder.server_pid()
    killed.signal(signal.SIGKILL)
    killed.finish()
    assert folder.server_pid() == server

    next_user = run_user()
    next_user.wait_for("attached")
    assert folder.server_pid() == server
    next_user.finish()
    assert folder.server_pid() is None


@pytest.mark.soak
@pytest.mark.parametrize("delay_seconds", [0.6, 0.7, 0.8, 0.9, 1.2, 1.5])
def test_a_user_killed_while_it_starts_the_server_leaves_nothing_broken(folder, run_user, delay_seconds):
    killed, witness = run_user(), run_user()
    time.sleep(delay_seconds)  # anywhere in its start: the point of the test
    killed.signal(signal.SIGKILL)
    killed.finish()
    witness.wait_for("attached")
    assert query(folder, "SELECT 1") == (1,)
    witness.finish()
    assert folder.server_pid() is None


def test_a_user_killed_while_the_server_makes_the_database_leaves_the_next_one_waiting_not_refused(folder, run_user):
    witness = run_user()
    witness.wait_for("attached")
    url = addresses.database_url(folder.path)
    with psycopg.connect(url, dbname="postgres", autocommit=True) as watcher:

        def at_work(count):
            """Whether so many starts make the database, or wait for one that does."""
            found = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND pid <> pg_backend_pid()"
                " AND query ~ 'CREATE DATABASE oms|pg_advisory_lock'"
            ).fetchone()
            return found == (count,)

        watcher.execute("DROP DATABASE oms")
        with psycopg.connect(url, dbname="postgres") as holder:
            holder.execute("LOCK TABLE pg_database IN SHARE MODE")  # to be read, but nobody writes a database into it
            killed = run_user()
            assert wait_until(lambda: at_work(1), 60)
            killed.signal(signal.SIGKILL)
            killed.finish()
            next_user = run_user()
            assert wait_until(lambda: at_work(2), 60)
    next_user.wait_for("attached")
    assert query(folder, "SELECT current_database()") == ("oms",)


def test_forked_children_neither_stop_nor_keep_the_server(folder, run_user):
    user = run_user(
        "if os.fork() == 0: sys.exit()\n"  # ends with the exit handlers of its parent
        "os.wait()\n"
        "if os.fork() == 0:\n"
        "    import signal; os.close(0); os.close(1); os.close(2); signal.pause()"  # outlives its parent
    )
    user.wait_for("attached")
    assert folder.server_pid()
    user.finish()
    assert folder.server_pid() is None


def test_a_killed_server_recovers_with_all_that_was_committed(folder, run_user):
    user = run_user()
    user.wait_for("attached")
    query(folder, "CREATE TABLE kept (answer int); INSERT INTO kept VALUES (42)")
    os.kill(folder.server_pid(), signal.SIGKILL)

    next_user = run_user()
    next_user.wait_for("attached")
    assert query(folder, "SELECT answer FROM kept") == (42,)
    user.finish()
    assert query(folder, "SELECT answer FROM kept") == (42,)
    next_user.finish()
    assert folder.server_pid() is None


def test_a_stale_pid_file_that_names_another_live_program_does_no_harm(folder, run_user):
    run_user().finish()
    lines = [str(os.getpid()), str(folder.path / "postgres"), "1", "5432", "", "", "", "ready"]
    (folder.path / "postgres" / "postmaster.pid").write_text("\n".join(lines) + "\n")
    user = run_user()
    user.wait_for("attached")
    assert query(folder, "SELECT 1") == (1,)
    user.finish()


@pytest.mark.soak
def test_a_server_whose_data_folder_was_deleted_gives_way(folder, run_user):
    killed = run_user()
    killed.wait_for("attached")
    server = folder.server_pid()
    killed.signal(signal.SIGKILL)
    killed.finish()
    shutil.rmtree(folder.path)

    user = run_user()
    user.wait_for("attached")
    assert folder.server_pid() != server
    assert not is_alive(server)
    user.finish()


@pytest.mark.soak
def test_a_socket_that_was_cleaned_away_is_made_again(folder, run_user):
    first = run_user()
    first.wait_for("attached")
    (addresses.socket_folder(folder.path) / ".s.PGSQL.5432").unlink()
    second = run_user()
    second.wait_for("attached")
    assert query(folder, "SELECT 1") == (1,)


def test_a_folder_of_another_version_is_refused_in_one_line(folder, run):
    (folder.path / "postgres").mkdir(parents=True)
    (folder.path / "postgres" / "PG_VERSION").write_text("16\n")
    status, output = run("manage.py", "migrate").finish()
    assert status == 1
    assert output.startswith(f"OMS: {folder.path}/postgres was made by PostgreSQL 16; this is PostgreSQL 18.")
    assert output.count("\n") == 1


def test_a_data_folder_that_cannot_be_made_is_refused_in_one_line(run):
    status, output = run("manage.py", "migrate", OMS_DATA_DIR="/dev/null/var").finish()
    assert status == 1
    assert output.startswith("OMS: The data folder /dev/null/var cannot be used: Not a directory.")
    assert output.count("\n") == 1


def test_a_server_that_does_not_start_is_refused_with_its_reason(folder, run, run_user):
    run_user().finish()
    (folder.path / "postgres" / "global" / "pg_control").unlink()
    status, output = run("manage.py", "migrate").finish()
    assert status == 1
    assert "PostgreSQL does not start:" in output
    assert "pg_control" in output
    assert output.count("\n") == 1


def test_a_missing_package_is_refused_with_what_to_do(folder, monkeypatch):
    monkeypatch.setattr(postgres, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match="Run `make setup`"):
        postgres.acquire(folder.path)


def test_a_socket_folder_of_somebody_else_is_refused(folder, run_user):
    addresses.socket_folder(folder.path).symlink_to("/etc")
    assert "belongs to somebody else" in run_user().finish()[1]
    addresses.socket_folder(folder.path).unlink()


@as_root
def test_nobody_else_gets_at_the_sockets(folder, run_user):
    user = run_user()
    user.wait_for("attached")
    assert stat.S_IMODE(addresses.socket_folder(folder.path).stat().st_mode) == 0o770
    user.finish()


@as_root
def test_root_lets_the_servers_user_pass_through_closed_folders_but_nobody_else(folder, run_user):
    closed = folder.path.parent.parent
    closed.mkdir(mode=0o700, parents=True)
    user = run_user()
    user.wait_for("may now pass through")
    user.wait_for("attached")
    assert not closed.stat().st_mode & (stat.S_IRWXO | stat.S_IRGRP | stat.S_IWGRP)
    assert system_user._can_pass(closed, system_user.system_user())
    user.finish()
