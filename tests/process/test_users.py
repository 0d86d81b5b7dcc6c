"""`expert-hub users` as an operator types it: people come, change and go, and no password is ever shown."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from storage.opening import read
from storage.people import StoredPerson, by_login, everybody
from tests.e2e.doors import CREDENTIALS
from tests.process.conftest import PATIENCE_S, Place
from tests.process.test_commands import MISCONFIGURED
from tests.visitors import visiting

ADA, GRACE = "ada@example.test", "grace@example.test"
SECRET, OTHER_SECRET = "correct horse battery", "staple battery horse"


def person(place: Place, login: str) -> StoredPerson:
    found = read(place.variables["DATABASE_URL"], lambda connection: by_login(connection, login))
    assert found is not None
    return found


def test_people_are_added_on_a_fresh_database_and_listed(place: Place) -> None:
    ada = place.run("users", "add", "Ada@Example.test", "--role", "worker", piped=f"{SECRET}\nmore\n".encode())
    assert (ada.code, ada.out, ada.err) == (0, f"{ADA} is added as worker\n", "")
    grace = place.run("users", "add", GRACE, "--role", "admin", "--name", "Grace Hopper", "--no-password")
    assert grace.code == 0
    listed, table = place.run_all("users list --json", "users list").values()
    assert [(one["login"], one["name"], one["role"], one["identity"]) for one in listed.json] == [
        (ADA, ADA, "worker", ADA),
        (GRACE, "Grace Hopper", "admin", None),
    ]
    assert [(one["has_password"], one["has_oidc"], one["disabled_at"]) for one in listed.json] == [
        (True, False, None),
        (False, False, None),
    ]
    assert [line.split()[0] for line in table.out.splitlines()] == ["LOGIN", ADA, GRACE]
    assert SECRET not in listed.out + table.out
    assert "argon2" not in listed.out + table.out
    assert str(person(place, ADA).password_hash).startswith("$argon2id$v=19$m=65536,t=3,p=4$")


def test_a_bad_password_and_a_second_of_a_login_are_refused_in_one_line(place: Place) -> None:
    bad = {
        b"": "12 to 1,024",
        b"short\n": "12 to 1,024",
        b"x" * 1025: "12 to 1,024",
        f"{ADA.upper()}\n".encode(): "must not be the login",
        b"\xff" * 20: "UTF-8",
    }
    for piped, words in bad.items():
        (line,) = place.run("users", "add", ADA, "--role", "worker", piped=piped).refused(1)
        assert words in line
    assert place.run("users", "add", "a b", "--role", "worker").refused(1) == [
        "expert-hub: 'a b' is no login; expected a name or an e-mail address without spaces, at most 200 characters"
    ]
    assert not (place.folder / "hub.db").exists()
    added, again = (place.run("users", "add", ADA, "--role", "worker", "--no-password") for _ in range(2))
    assert added.code == 0
    assert again.refused(1) == [f"expert-hub: there is a person {ADA} already"]


def test_a_person_is_given_another_password_disabled_and_enabled(place: Place) -> None:
    place.run("users", "add", ADA, "--role", "worker", piped=SECRET.encode())
    before = person(place, ADA)
    assert place.run("users", "passwd", ADA.upper(), piped=OTHER_SECRET.encode()).code == 0
    assert person(place, ADA).password_hash != before.password_hash
    assert place.run("users", "disable", ADA).code == 0
    assert person(place, ADA).disabled_at is not None
    assert place.run("users", "enable", ADA).code == 0
    assert person(place, ADA).disabled_at is None
    for command in ("passwd", "disable", "enable"):
        (line,) = place.run("users", command, "nobody", piped=SECRET.encode()).refused(1)
        assert "there is no person 'nobody'" in line


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(place: Place) -> None:
    with typing(place, "users", "add", ADA, "--role", "worker") as terminal:
        terminal.answer("Password: ", SECRET)
        terminal.answer("Again: ", OTHER_SECRET)
        code, said = terminal.ended()
    assert code == 1
    assert "the two passwords differ" in said
    with typing(place, "users", "add", ADA, "--role", "worker") as terminal:
        terminal.answer("Password: ", SECRET)
        terminal.answer("Again: ", SECRET)
        code, said = terminal.ended()
    assert (code, SECRET in said) == (0, False)
    assert [one.login for one in read(place.variables["DATABASE_URL"], everybody)] == [ADA]


class Terminal:
    """The other end of a command's terminal."""

    def __init__(self, process: "subprocess.Popen[bytes]", master: int) -> None:
        self.process = process
        self.master = master
        self.said = ""

    def answer(self, asked: str, typed: str) -> None:
        """Wait for a question, and type."""
        while not self.said.endswith(asked):
            self.said += os.read(self.master, 1024).decode()
        os.write(self.master, f"{typed}\n".encode())

    def ended(self) -> tuple[int, str]:
        """The exit code, and everything that stood on the terminal."""
        code = self.process.wait(PATIENCE_S)
        try:
            while more := os.read(self.master, 1024):
                self.said += more.decode()
        except OSError:  # Linux's way to say that the other end is closed
            pass
        return code, self.said


@contextmanager
def typing(place: Place, *arguments: str) -> Iterator[Terminal]:
    """A command on a terminal of its own."""
    master, slave = os.openpty()
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "orchestrator", *arguments],
        cwd=place.folder,
        env=place.variables | {"PYTHONPATH": str(root)},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        yield Terminal(process, master)
    finally:
        process.kill()
        process.wait()
        os.close(master)


async def test_a_disabled_person_is_out_beside_a_running_service(place: Place) -> None:
    place.run("users", "add", "boss", "--role", "admin", piped=SECRET.encode())
    place.serve()
    async with visiting(place.url) as visitor:
        assert (await visitor.sign_in("boss", SECRET)).leads_to == "/console"
        assert (await visitor.get("/signin")).status == 303
        assert place.run("users", "disable", "boss").code == 0
        assert (await visitor.get("/signin")).status == 200
        place.run("users", "enable", "boss")
        assert (await visitor.get("/signin")).status == 200
        assert (await visitor.sign_in("boss", SECRET)).status == 303
        assert place.run("users", "passwd", "boss", piped=OTHER_SECRET.encode()).code == 0
        assert (await visitor.get("/signin")).status == 200
        assert (await visitor.sign_in("boss", OTHER_SECRET)).status == 303


def test_beyond_loopback_somebody_must_be_able_to_sign_in(place: Place) -> None:
    """The account is Twilio's, as far as the service knows."""
    reachable = {"HOST": "0.0.0.0", "TWILIO_API_URL": place.sandbox_url, **CREDENTIALS}
    (line,) = place.run("serve", "--no-sandbox", **reachable).refused(MISCONFIGURED)
    assert "HOST: found 0.0.0.0" in line
    assert "`expert-hub users add LOGIN --role admin`" in line
    place.run("users", "add", ADA, "--role", "worker", "--no-password")
    assert place.run("serve", "--no-sandbox", **reachable).refused(MISCONFIGURED) == [line]
    place.run("users", "add", GRACE, "--role", "admin", piped=SECRET.encode())
    place.start("serve", "--no-sandbox", **reachable).wait_for("listens")


@pytest.mark.parametrize(
    "variables", [{"HOST": "127.0.0.1", **CREDENTIALS}, {"HOST": "0.0.0.0"}], ids=["local", "sandbox"]
)
def test_on_loopback_and_in_the_sandbox_nobody_is_needed(place: Place, variables: dict[str, str]) -> None:
    place.start("serve", "--no-sandbox", **variables, TWILIO_API_URL=place.sandbox_url).wait_for("listens")


def test_a_replica_that_serves_no_pages_needs_nobody(place: Place, postgres_url: str) -> None:
    reachable = {"HOST": "0.0.0.0", "DATABASE_URL": postgres_url, "TWILIO_API_URL": place.sandbox_url, **CREDENTIALS}
    (line,) = place.run("serve", "--no-sandbox", "--role", "web", **reachable).refused(MISCONFIGURED)
    assert "users add" in line
    place.start("serve", "--no-sandbox", "--role", "effects", **reachable).wait_for("listens")
