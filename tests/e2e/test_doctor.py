"""The doctor, and every fault made for real: a real house, and what is broken in it is broken."""

import asyncio
import json
import socket
import sqlite3
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.doctor.examination import examine
from orchestrator.doctor.findings import exit_code
from orchestrator.doctor.reach import reach
from orchestrator.sandbox import seeds
from orchestrator.settings import Settings
from storage.opening import write
from storage.schema import person
from tests.e2e.conftest import House, on_both
from tests.e2e.doors import real_account

Doctor = Callable[..., Awaitable[tuple[int, dict[str, Any]]]]
NEEDED = (
    "settings credentials account clock,chat service,messaging service,webhooks,sender +15550100999,"
    "sender whatsapp:+15550100999,calls to +15550100999,workspace,queue,workers,public URL,signatures,database,CRM,bot"
)
CHECKS = {name for part in NEEDED.split(",") for name in (part.split() if part.startswith("settings") else [part])}


def nobody_there() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def account(house: House) -> dict[str, str]:
    """The variables of a real account, which is the sandbox's, for a service that runs."""
    return real_account(house, PUBLIC_URL=house.url, DATABASE_URL=house.database_url)


@pytest.fixture
def doctor(account: dict[str, str]) -> Doctor:
    async def examine(**variables: str) -> tuple[int, dict[str, Any]]:
        """The exit code, and what was found by check."""
        with capture_logs():  # of the service, which writes them where the command in this process would
            answer = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"], env=account | variables)
        told = json.loads(answer.stdout)
        assert told["ok"] == (answer.exit_code == 0)
        return answer.exit_code, {each["check"]: each for each in told["checks"]}

    return examine


def wrong(checks: dict[str, Any]) -> set[str]:
    return {name for name, each in checks.items() if each["verdict"] == "wrong"}


@on_both
async def test_a_house_in_order_has_nothing_wrong_and_is_left_as_it_was(house: House, doctor: Doctor) -> None:
    before = await house.ledger()
    code, checks = await doctor()
    assert (code, wrong(checks)) == (0, set()), [each for each in checks.values() if each["verdict"] == "wrong"]
    assert {name for name, each in checks.items() if each["verdict"] == "ok"} == CHECKS
    assert checks["sign-in"]["verdict"] == "skipped"
    assert await house.ledger() == before
    async with house.session.get(f"{house.url}/debug/conversations") as response:
        assert (await response.json())["conversations"] == []


async def test_a_person_gets_a_line_for_each_check_with_what_mends_it(house: House, account: dict[str, str]) -> None:
    variables = account | {"TASKROUTER_QUEUE_SID": "WQ" + "0" * 32}
    with capture_logs():
        answer = await asyncio.to_thread(CliRunner().invoke, app, ["doctor"], env=variables)
    lines = answer.stdout.splitlines()
    assert len(lines) == len(CHECKS) + 1
    (queue,) = [line for line in lines if line.split()[1] == "queue"]
    assert queue.startswith("wrong ")
    assert queue.endswith("->  TASKROUTER_QUEUE_SID")
    assert seeds.TASK_QUEUE_SID in queue


async def test_a_wrong_token_is_told_from_a_twilio_that_is_away(doctor: Doctor) -> None:
    code, checks = await doctor(TWILIO_AUTH_TOKEN="c0ffee" * 5)
    assert code == 78
    assert wrong(checks) == {"credentials", "signatures"}
    assert "TWILIO_AUTH_TOKEN" in checks["credentials"]["mend"]
    assert checks["queue"]["verdict"] == "skipped"
    assert "c0ffee" not in json.dumps(checks)
    code, checks = await doctor(TWILIO_API_URL=f"http://127.0.0.1:{nobody_there()}")
    assert (code, wrong(checks)) == (69, {"credentials"})
    assert "did not answer" in checks["credentials"]["found"]


async def test_a_suspended_account_is_named(house: House, doctor: Doctor) -> None:
    house.sandbox.sandbox.account_status = "suspended"
    code, checks = await doctor()
    assert (code, wrong(checks)) == (1, {"account"})


@pytest.mark.parametrize(
    ("variable", "value", "found"),
    [
        ("TASKROUTER_QUEUE_SID", "WQ" + "0" * 32, {"queue"}),
        ("TASKROUTER_WORKSPACE_SID", "WS" + "0" * 32, {"workspace", "queue", "workers"}),
        ("MESSAGING_SERVICE_SID", "MG" + "0" * 32, {"messaging service"}),
    ],
)
async def test_a_sid_of_nothing_is_named_with_its_setting(
    doctor: Doctor, variable: str, value: str, found: set[str]
) -> None:
    code, checks = await doctor(**{variable: value})
    assert (code, wrong(checks)) == (1, found)
    assert {checks[name]["mend"] for name in found} == {variable}


async def test_a_number_of_somebody_else_and_a_sender_that_creates_nothing(house: House, doctor: Doctor) -> None:
    whatsapp = house.sandbox.sandbox.addresses.of(seeds.NUMBERS["whatsapp"])
    assert whatsapp is not None
    whatsapp.auto_creation.enabled = False
    senders = f"+33=+33100000000,+={seeds.NUMBERS['sms']},whatsapp:={seeds.NUMBERS['whatsapp']}"
    code, checks = await doctor(PROXY_NUMBERS=senders)
    assert (code, wrong(checks)) == (1, {"sender +33100000000", "sender whatsapp:+15550100999"})
    assert checks["sender +33100000000"]["mend"] == "PROXY_NUMBERS"
    assert "autocreation" in checks["sender whatsapp:+15550100999"]["found"]


async def test_webhooks_and_events_that_go_elsewhere_are_what_connect_mends(
    house: House, doctor: Doctor, account: dict[str, str], tmp_path: Path
) -> None:
    await house.filters(["onMessageAdd"])
    house.sandbox.sandbox.world.workforce.settings.event_callback_url = "https://old.example/events"
    code, checks = await doctor()
    assert (code, wrong(checks)) == (1, {"webhooks", "workspace"})
    assert checks["webhooks"]["mend"] == checks["workspace"]["mend"] == "expert-hub twilio connect"
    words = ["twilio", "connect", "--yes", "--file", str(tmp_path / "before.json")]
    assert (await asyncio.to_thread(CliRunner().invoke, app, words, env=account)).exit_code == 0
    assert (await doctor())[0] == 0


async def test_workers_who_cannot_be_reached_are_named(house: House, doctor: Doctor) -> None:
    await house.worker("ada@example.test", True, contact_uri="client:ada_40example_2Etest")
    assert (await doctor())[0] == 0
    await house.worker("grace@example.test", True, contact_uri="client:grace")
    await house.worker("Night shift", True)
    code, checks = await doctor()
    assert (code, wrong(checks)) == (1, {"workers"})
    assert "contact_uri" in checks["workers"]["found"]
    assert "no email address" in checks["workers"]["found"]


async def test_a_stopped_service_is_not_reached_and_everything_else_is_still_looked_at(
    house: House, doctor: Doctor
) -> None:
    await house.stop()
    house.socket.close()
    code, checks = await doctor()
    assert (code, wrong(checks)) == (1, {"public URL"})
    assert "nobody answers" in checks["public URL"]["found"]
    assert checks["signatures"]["verdict"] == "skipped"


async def test_a_service_that_was_given_another_url_refuses_our_signature(house: House, doctor: Doctor) -> None:
    code, checks = await doctor(PUBLIC_URL=house.url.replace("127.0.0.1", "localhost"))
    assert code == 1
    assert "signatures" in wrong(checks)
    assert "PUBLIC_URL" in checks["signatures"]["mend"]


async def test_whoever_is_at_the_url_and_checks_no_signature_is_not_us(doctor: Doctor) -> None:
    async with AsyncExitStack() as stack:
        url = await somebody(stack, web.Response)
        code, checks = await doctor(PUBLIC_URL=url)
    assert code == 1
    assert "not expert-hub" in checks["signatures"]["found"]


async def test_a_public_url_that_redirects_loses_what_is_posted(doctor: Doctor) -> None:
    async with AsyncExitStack() as stack:
        url = await somebody(stack, lambda: web.Response(status=308, headers={"Location": "https://hub.example.com/"}))
        _, checks = await doctor(PUBLIC_URL=url)
    assert "redirects" in checks["public URL"]["found"]


async def somebody(stack: AsyncExitStack, answer: Callable[[], web.Response]) -> str:
    """A server that gives everybody the same answer; its address."""

    async def handler(request: web.Request) -> web.Response:
        return answer()

    server = web.Application()
    server.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(server, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.parametrize(("ahead_s", "verdict", "code"), [(12, "warning", 0), (3600, "wrong", 1)])
async def test_a_clock_that_is_off_is_noticed_by_the_date_of_twilios_answer(
    house: House, doctor: Doctor, ahead_s: int, verdict: str, code: int
) -> None:
    """Between us and the sandbox stands somebody whose clock is ahead, as Twilio's would be if ours were behind."""

    async def pass_on(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in ("Authorization",)}
        async with house.session.get(house.sandbox.url + request.path_qs, headers=headers) as answer:
            date = datetime.now(UTC) + timedelta(seconds=ahead_s)
            told = {"Date": format_datetime(date, usegmt=True), "Content-Type": "application/json"}
            return web.Response(status=answer.status, body=await answer.read(), headers=told)

    server = web.Application()
    server.router.add_route("GET", "/{path:.*}", pass_on)
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(server, access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        found, checks = await doctor(TWILIO_API_URL=f"http://127.0.0.1:{runner.addresses[0][1]}")
    assert (found, checks["clock"]["verdict"]) == (code, verdict), checks


async def test_a_database_that_is_damaged_or_behind_or_missing(house: House, doctor: Doctor, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"no database at all" * 100)
    code, checks = await doctor(DATABASE_URL=f"sqlite+aiosqlite:///{damaged}")
    assert (code, wrong(checks)) == (78, {"database"})
    assert checks["CRM"]["verdict"] == "skipped"
    code, checks = await doctor(DATABASE_URL=f"sqlite+aiosqlite:///{tmp_path}/none.db")
    assert (code, checks["database"]["verdict"]) == (0, "warning")
    assert not (tmp_path / "none.db").exists()
    code, checks = await doctor(DATABASE_URL=f"postgresql+asyncpg://hub:hunter2@127.0.0.1:{nobody_there()}/hub")
    assert (code, wrong(checks)) == (69, {"database"})
    assert "hunter2" not in json.dumps(checks)


async def test_beyond_loopback_somebody_must_be_able_to_sign_in(house: House, doctor: Doctor) -> None:
    """The house runs in the sandbox, whose people are there from the start."""
    await asyncio.to_thread(write, house.database_url, lambda connection: connection.execute(person.delete()))
    code, checks = await doctor(HOST="0.0.0.0")
    assert (code, wrong(checks)) == (1, {"sign-in"})
    assert "users add" in checks["sign-in"]["mend"]
    row = {"login": "ada", "name": "Ada", "role": "admin", "created_at": 1}
    await asyncio.to_thread(write, house.database_url, lambda connection: connection.execute(person.insert(), row))
    code, checks = await doctor(HOST="0.0.0.0")
    assert (code, checks["sign-in"]["found"]) == (0, "1 can sign in")


async def test_neighbours_that_are_away_are_named(doctor: Doctor) -> None:
    nowhere = f"http://127.0.0.1:{nobody_there()}"
    code, checks = await doctor(CRM="strapi", STRAPI_URL=nowhere, STRAPI_TOKEN="hunter2", BOT="http", BOT_URL=nowhere)
    assert (code, wrong(checks)) == (1, {"CRM", "bot"})
    assert "hunter2" not in json.dumps(checks)
    async with AsyncExitStack() as stack:
        there = await somebody(stack, lambda: web.Response(status=405))
        code, checks = await doctor(BOT="http", BOT_URL=there)
    assert (code, checks["bot"]["verdict"]) == (0, "ok")


async def test_settings_that_cannot_be_read_are_told_line_by_line(doctor: Doctor) -> None:
    code, checks = await doctor(PORT="many", TWILIO_AUTH_TOKEN="hunter 2")
    assert (code, set(checks)) == (78, {"settings"})
    assert "hunter" not in json.dumps(checks)


async def test_a_twilio_that_hangs_keeps_nobody_longer_than_a_call_may_take(house: House, doctor: Doctor) -> None:
    await house.post("/sandbox/faults", {"latency_ms": 60_000}, "PUT")
    code, checks = await doctor(EFFECT_TIMEOUT_S="0.5")
    assert (code, wrong(checks)) == (69, {"credentials"})


async def test_the_whole_examination_ends_in_time_whoever_hangs(house: House, account: dict[str, str]) -> None:
    """A PostgreSQL that takes the connection and says nothing, and a Twilio that thinks for a minute."""
    await house.post("/sandbox/faults", {"latency_ms": 60_000}, "PUT")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql+asyncpg://hub:hunter2@127.0.0.1:{silent.getsockname()[1]}/hub"
        settings = Settings.load(account | {"DATABASE_URL": url, "EFFECT_TIMEOUT_S": "60"})
        findings = await examine(settings, limit_s=0.5)
    late = {each.check: each.code for each in findings if "within 0.5 s" in each.found}
    assert late == {"credentials": 69, "database": 69}
    assert exit_code(findings) == 69


async def test_a_database_that_somebody_holds_cannot_be_written(house: House, doctor: Doctor) -> None:
    with closing(sqlite3.connect(house.data / "hub.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        code, checks = await doctor()
    assert (code, wrong(checks)) == (1, {"database"})
    assert "locked" in checks["database"]["found"]


async def test_a_schema_of_another_version_is_told_with_the_command(
    house: House, doctor: Doctor, tmp_path: Path
) -> None:
    await house.stop()
    for revision, mend in (("0001", "expert-hub db upgrade"), ("9999", "a newer expert-hub")):
        with closing(sqlite3.connect(house.data / "hub.db")) as connection, connection:
            connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
        code, checks = await doctor()
        assert (code, checks["database"]["mend"]) == (78, mend)
        assert checks["CRM"]["verdict"] == "skipped"


async def test_twilio_cannot_reach_a_loopback_address(account: dict[str, str]) -> None:
    settings = Settings.load({name: value for name, value in account.items() if name != "TWILIO_API_URL"})
    async with aiohttp.ClientSession() as session:
        at, signed = await reach(settings, session)
    assert (at.verdict, "loopback" in at.found, signed.verdict) == ("wrong", True, "skipped")


async def test_a_certificate_nobody_vouches_for_is_told(doctor: Doctor, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    async with AsyncExitStack() as stack:
        runner = web.AppRunner(web.Application(), access_log=None)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        _, checks = await doctor(PUBLIC_URL=f"https://127.0.0.1:{runner.addresses[0][1]}")
    assert "not trusted" in checks["public URL"]["found"]


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "pair.pem").write_bytes(made.public_bytes(Encoding.PEM) + private)
    return folder / "pair.pem"


async def test_calls_that_come_here_must_be_set_whole_and_others_are_nobodys_matter(
    bare_house: House, doctor: Doctor
) -> None:
    voice, name = bare_house.sandbox.sandbox.webhooks.targets.voice, "calls to +15550100999"
    voice.status_callback = ""
    _, checks = await doctor()
    assert (checks[name]["verdict"], checks[name]["mend"]) == ("wrong", "expert-hub twilio connect --voice")
    voice.url = "https://old.example/calls"
    _, checks = await doctor()
    assert checks[name]["verdict"] == "skipped"
    assert "--voice" in checks[name]["found"]
