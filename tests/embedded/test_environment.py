"""What manage.py sets where the environment says nothing."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from oms.embedded import CHECKOUT, attach_for_command, postgres, prepare_environment, supervisor

pytestmark = pytest.mark.usefixtures("attached")


@pytest.fixture
def environment(monkeypatch, tmp_path) -> dict[str, str]:
    """The environment of a bare machine."""
    environment = {"OMS_DATA_DIR": str(tmp_path / "var")}
    monkeypatch.setattr(os, "environ", environment)
    return environment


@pytest.fixture
def attached(monkeypatch) -> list:
    """The data folders whose PostgreSQL was asked for; none is started."""
    attached = []
    monkeypatch.setattr(postgres, "acquire", attached.append)
    return attached


def test_a_bare_machine_gets_keys_that_stay_and_no_debug_mode(environment, tmp_path):
    bare = dict(environment)
    attach_for_command(["manage.py", "help"])
    first = dict(environment)
    environment.clear()
    environment.update(bare)
    attach_for_command(["manage.py", "help"])

    assert environment == first
    assert len(first["SECRET_KEY"]) == 64
    assert first["SECRET_KEY"] != first["ORDER_NUMBER_KEY"]
    assert first["HTTPS_ONLY"] == "0"
    assert "DEBUG" not in first
    assert stat.S_IMODE((tmp_path / "var" / "secrets.env").stat().st_mode) == 0o600


def test_starts_at_the_same_time_agree_on_the_keys(environment, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(prepare_environment, [tmp_path / "var"] * 8))
    written = (tmp_path / "var" / "secrets.env").read_text()
    assert f"ORDER_NUMBER_KEY={environment['ORDER_NUMBER_KEY']}\n" in written


@pytest.mark.parametrize("given", [{"DEBUG": "1"}, {"SECRET_KEY": "own"}])
def test_what_is_given_is_not_second_guessed_but_the_numbers_key_goes_with_the_data(environment, given):
    environment.update(given)
    attach_for_command(["manage.py", "migrate"])
    assert environment.get("SECRET_KEY") == given.get("SECRET_KEY")
    assert "ALLOWED_HOSTS" not in environment
    assert "HTTPS_ONLY" not in environment
    assert environment["ORDER_NUMBER_KEY"]


def test_sealing_keys_that_were_added_to_the_data_folder_are_taken(environment, tmp_path):
    attach_for_command(["manage.py", "migrate"])
    assert "OMS_CREDENTIAL_KEYS" not in environment
    with (tmp_path / "var" / "secrets.env").open("a") as file:
        file.write("OMS_CREDENTIAL_KEYS=new,old\n")
    attach_for_command(["manage.py", "migrate"])
    assert environment["OMS_CREDENTIAL_KEYS"] == "new,old"
    environment["OMS_CREDENTIAL_KEYS"] = "given"
    attach_for_command(["manage.py", "migrate"])
    assert environment["OMS_CREDENTIAL_KEYS"] == "given"


def test_with_a_database_named_nothing_is_set_and_nothing_made(environment, attached, tmp_path):
    environment["DATABASE_URL"] = "postgresql://db/oms"
    before = dict(environment)
    attach_for_command(["manage.py", "migrate"])
    assert environment == before
    assert attached == []
    assert not (tmp_path / "var").exists()


def test_only_the_demo_makes_time_pass_faster(environment):
    attach_for_command(["manage.py", "migrate"])
    assert "OMS_TIME_SPEED" not in environment
    attach_for_command(["manage.py", "up"])
    assert environment["OMS_TIME_SPEED"] == "1440"
    environment["OMS_TIME_SPEED"] = "1"
    attach_for_command(["manage.py", "up"])
    assert environment["OMS_TIME_SPEED"] == "1"


@pytest.mark.parametrize(
    "arguments", [["help"], ["check"], ["migrate", "--help"], ["collectstatic"], ["--version"], ["up"], []]
)
def test_commands_that_need_no_database_start_none(environment, attached, arguments):
    attach_for_command(["manage.py", *arguments])
    assert attached == []
    assert environment["SECRET_KEY"]


@pytest.mark.parametrize("arguments", [["migrate"], ["check", "--database", "default"], ["drain", "--json"]])
def test_commands_that_need_a_database_get_one(environment, attached, tmp_path, arguments):
    (tmp_path / "var" / "postgres").mkdir(parents=True)
    attach_for_command(["manage.py", *arguments])
    assert attached == [tmp_path / "var"]


@pytest.mark.parametrize("command", ["prepare", "migrate", "bench"])
def test_a_new_folder_is_made_by_what_begins_with_it(environment, attached, tmp_path, command):
    attach_for_command(["manage.py", command])
    assert attached == [tmp_path / "var"]


@pytest.mark.parametrize("command", ["create_credential", "drain", "load_data", "shell", "createsuperuser"])
def test_any_other_command_makes_no_folder_and_says_what_to_do(environment, attached, tmp_path, command):
    with pytest.raises(SystemExit) as refused:
        attach_for_command(["manage.py", command, "SELF"])
    assert str(refused.value).startswith(f"OMS: There is no database in the data folder {tmp_path / 'var'}.")
    assert "OMS_DATA_DIR" in str(refused.value)
    assert "`make run` or `manage.py prepare`" in str(refused.value)
    assert attached == []
    assert not (tmp_path / "var").exists()


def test_the_folder_of_an_oms_that_runs_is_named(environment, monkeypatch, tmp_path):
    monkeypatch.setattr(supervisor, "running_folders", lambda: [tmp_path / "oms2"])
    with pytest.raises(SystemExit, match=f"An OMS is running with OMS_DATA_DIR={tmp_path / 'oms2'}[.] Name"):
        attach_for_command(["manage.py", "create_credential", "SELF"])


def test_a_python_without_the_packages_is_told_what_to_do():
    """-S leaves the packages of the environment out."""
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-S", CHECKOUT / "manage.py", "check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "make setup" in done.stderr
    assert "Traceback" not in done.stderr
