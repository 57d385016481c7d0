"""PostgreSQL and Valkey: started, found again, and careful with what a crash left behind."""

import os
import subprocess
import sys
import time

import psycopg
import pytest

from clinic.local import users
from clinic.local.postgres import Postgres, _copied
from clinic.local.problem import LocalProblem
from clinic.local.services import Service
from clinic.local.stack import Stack


def query(url, sql):
    with psycopg.connect(url) as connection:
        return connection.execute(sql).fetchone()[0]


def test_both_answer_and_the_data_outlives_a_restart(home, stack, monkeypatch):
    stack.start_stores()
    url = stack.env["DATABASE_URL"]
    assert query(url, "SHOW server_version").startswith("18.")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    stack.stop()
    again = Stack(home, throw_away=True)
    try:
        again.start_stores()
        assert query(again.env["DATABASE_URL"], "SELECT answer FROM kept") == 42
    finally:
        again.stop()


def test_only_its_owner_can_enter_the_socket_folder(stack):
    stack.start_stores()
    folder = stack.env["DATABASE_URL"].partition("host=")[2].replace("%2F", "/")
    assert os.stat(folder).st_mode & 0o077 == 0


def test_addresses_given_from_outside_are_used_and_nothing_is_started(home, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/x")
    monkeypatch.setenv("VALKEY_URL", "redis://elsewhere")
    monkeypatch.setenv("POLICY_URL", "http://elsewhere/v1")
    stack = Stack(home)
    try:
        stack.start_stores()
        stack.start_model()
        assert stack.services == []
        assert stack.model is None
        assert stack.env["DATABASE_URL"] == "postgresql://elsewhere/x"
    finally:
        stack.stop()


def test_a_stale_pid_file_with_a_reused_pid_harms_nobody(home, stack):
    postgres = Postgres(home, stack.keeper, throw_away=True)
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        postgres.data.mkdir(parents=True)
        (postgres.data / "postmaster.pid").write_text(f"{bystander.pid}\n{postgres.data}\n")
        postgres._remove_stale_pid_file()
        assert bystander.poll() is None
        assert not (postgres.data / "postmaster.pid").exists()
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.slow
def test_a_server_left_without_owner_is_stopped_before_a_new_one_starts(home, stack):
    postgres = Postgres(home, stack.keeper, throw_away=True)
    orphan = postgres.spawn()
    postgres.wait(orphan)
    successor = postgres.spawn()
    postgres.wait(successor)
    assert orphan.wait() == 0
    assert query(postgres.url, "SELECT 1") == 1
    successor.stop(10)


def test_data_of_another_major_version_is_refused_in_one_sentence(home, stack):
    postgres = Postgres(home, stack.keeper)
    postgres.data.mkdir(parents=True)
    (postgres.data / "PG_VERSION").write_text("17\n")
    with pytest.raises(LocalProblem, match="written by PostgreSQL 17"):
        postgres.spawn()


@pytest.mark.slow
def test_an_initdb_that_was_cut_off_is_begun_anew(home, stack):
    postgres = Postgres(home, stack.keeper, throw_away=True)
    half = postgres.data.with_name("data.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    child = postgres.spawn()
    postgres.wait(child)
    assert not half.exists()
    child.stop(10)


@pytest.mark.slow
def test_binaries_are_copied_with_their_libraries(home, stack):
    postgres = Postgres(home, stack.keeper)
    package = postgres.binaries.parents[1]
    copy = _copied(package, home.path / "copied")
    program = copy / "pginstall/bin/psql"
    assert subprocess.run([program, "--version"], capture_output=True, text=True).stdout.startswith(
        "psql (PostgreSQL) 18"
    )
    assert users.can_reach(program, users.service_user())


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives PostgreSQL to another user")
def test_a_folder_that_the_service_account_cannot_reach_is_known(tmp_path):
    tmp_path.chmod(0o700)
    assert not users.can_reach(tmp_path, "nobody")


def test_a_killed_service_is_started_again(home, stack):
    script = "import time; time.sleep(600)"
    log = home.log / "x.log"
    service = Service("X", lambda: stack.keeper.spawn([sys.executable, "-c", script], env=os.environ, log=log))
    first = service.start()
    first._process.kill()
    deadline = time.monotonic() + 5
    while (service.child is None or service.child is first) and time.monotonic() < deadline:
        service.tick()
        time.sleep(0.02)
    assert service.child is not None
    assert service.child is not first
    service.stop()
