"""Connecting a real account, which the sandbox plays: the difference, the writing, and the way back to the letter."""

import asyncio
import json
import re
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.sandbox import seeds
from orchestrator.sandbox.addresses import AutoCreation
from orchestrator.sandbox.delivery import RECOMMENDED_FILTERS, Targets
from orchestrator.sandbox.faults import Faults
from tests.e2e.conftest import House
from tests.e2e.doors import real_account

HUB = "https://hub.example.com"
NEW = "+33100000000"
OLD_EVENTS = "task.created,worker.activity.update"
Command = Callable[..., Awaitable[Result]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "data" / "before.json"


@pytest.fixture
def account(bare_house: House) -> dict[str, str]:
    """The variables of a real account, which is the sandbox's."""
    numbers = f"+33={NEW},+={seeds.NUMBERS['sms']},whatsapp:={seeds.NUMBERS['whatsapp']}"
    return real_account(bare_house, PROXY_NUMBERS=numbers, PUBLIC_URL=HUB)


@pytest.fixture
def command(account: dict[str, str], file: Path) -> Command:
    async def run(words: str, **variables: str) -> Result:
        arguments = [*words.split(), "--file", str(file)]
        return await asyncio.to_thread(CliRunner().invoke, app, ["twilio", *arguments], env=account | variables)

    return run


@pytest.fixture
def old(bare_house: House) -> House:
    """An account that served another program before."""
    sandbox = bare_house.sandbox.sandbox
    sandbox.webhooks.targets = Targets("https://old.example/pre", "", "", "GET", ("onMessageAdd", "onUserAdded"))
    settings = sandbox.world.workforce.settings
    settings.event_callback_url, settings.events_filter = "https://old.example/events", OLD_EVENTS
    whatsapp = sandbox.addresses.of(seeds.NUMBERS["whatsapp"])
    assert whatsapp is not None
    whatsapp.auto_creation = AutoCreation(False, "webhook", None, "https://old.example/wa", "GET", ("onMessageAdded",))
    return bare_house


def is_set(house: House) -> Any:
    """All that can be set on the account, as it is now."""
    sandbox = house.sandbox.sandbox
    targets, settings = sandbox.webhooks.targets, sandbox.world.workforce.settings
    autos = {each.address: each.auto_creation for each in sandbox.addresses.all.values()}
    return json.loads(
        json.dumps(
            [
                [targets.pre_url, targets.post_url, targets.method, sorted(targets.filters)],
                [settings.event_callback_url, sorted(settings.events_filter.split(","))],
                {address: repr(auto) for address, auto in autos.items()},
            ]
        )
    )


async def writes(house: House) -> list[tuple[str, str]]:
    return [(e["method"], e["path"]) for e in await house.ledger() if e["kind"] == "rest" and e["method"] != "GET"]


def fall_over_after(house: House, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Twilio answers 503 and nothing else once it has carried out so many writes in all."""
    sandbox = house.sandbox.sandbox
    enter = sandbox.ledger.rest

    def enter_and_fall_over(*entry: Any) -> None:
        enter(*entry)
        if sum(each.kind == "rest" for each in sandbox.ledger.since(0)) == count:
            sandbox.set_faults(Faults.read({"errors": {"503": 1.0}}))

    monkeypatch.setattr(sandbox.ledger, "rest", enter_and_fall_over)


async def test_a_dry_run_shows_what_is_and_what_will_be_and_writes_nothing(
    old: House, command: Command, file: Path
) -> None:
    answer = await command("connect --dry-run")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert "~ Conversations webhooks of the account" in lines
    assert f"    pre-event URL   https://old.example/pre  ->  {HUB}/pre-event" in lines
    assert f"+ Address {NEW}" in lines
    assert f"= Address {seeds.NUMBERS['sms']}" in lines
    assert f"~ Address {seeds.NUMBERS['whatsapp']}" in lines
    assert any("-onUserAdded" in line and "+onMessageAdded" in line for line in lines)
    assert lines[-1] == "Nothing was written."
    assert await writes(old) == []
    assert not file.exists()


async def test_without_a_terminal_and_without_yes_nothing_is_written(old: House, command: Command, file: Path) -> None:
    answer = await command("connect")
    assert answer.exit_code == 2
    assert "--yes" in answer.stderr
    assert await writes(old) == []
    assert not file.exists()


async def test_it_is_set_once_and_the_second_run_finds_nothing_to_do(old: House, command: Command, file: Path) -> None:
    assert (await command("connect --yes")).exit_code == 0
    sandbox = old.sandbox.sandbox
    targets = sandbox.webhooks.targets
    assert (targets.pre_url, targets.post_url, targets.method) == (f"{HUB}/pre-event", f"{HUB}/post-event", "POST")
    assert set(targets.filters) == set(RECOMMENDED_FILTERS)
    settings = sandbox.world.workforce.settings
    assert settings.event_callback_url == f"{HUB}/taskrouter-event"
    assert settings.events_filter == seeds.WORKER_EVENTS
    assert [each.auto_creation.enabled for each in sandbox.addresses.all.values()] == [True] * (1 + len(seeds.NUMBERS))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert seeds.AUTH_TOKEN not in re.sub(r"[A-Z]{2}(5a){16}", "a SID", file.read_text())
    kept, so_far = file.read_text(), await writes(old)
    again = await command("connect --yes")
    assert (again.exit_code, again.stdout.splitlines()[-1]) == (0, "Nothing is to be done.")
    assert {line[0] for line in again.stdout.splitlines()[:-1]} == {"="}
    assert await writes(old) == so_far
    assert file.read_text() == kept


async def test_the_way_back_restores_exactly_and_renames_the_file(old: House, command: Command, file: Path) -> None:
    before = is_set(old)
    await command("connect --yes")
    assert is_set(old) != before
    looked = await command("disconnect --dry-run")
    assert f"- Address {NEW}: was not there before" in looked.stdout
    assert file.exists()
    assert (await command("disconnect")).exit_code == 2
    assert (await command("disconnect --yes")).exit_code == 0
    assert is_set(old) == before
    assert [path.name.partition("-")[0] for path in file.parent.iterdir()] == ["before.restored"]
    gone = await command("disconnect --yes")
    assert (gone.exit_code, "restored already" in gone.stderr) == (1, True)


@pytest.mark.parametrize("survivors", [1, 2, 3])
async def test_what_died_halfway_is_finished_by_the_next_run_and_still_restored_whole(
    old: House, command: Command, monkeypatch: pytest.MonkeyPatch, survivors: int
) -> None:
    before = is_set(old)
    fall_over_after(old, monkeypatch, survivors)
    first = await command("connect --yes")
    assert first.exit_code == 69, first.output
    assert f"{survivors} of 4 written" in first.stderr
    await old.post("/sandbox/faults", {}, "PUT")
    assert (await command("connect --yes")).exit_code == 0
    assert (await command("connect --dry-run")).stdout.splitlines()[-1] == "Nothing is to be done."
    assert (await command("disconnect --yes")).exit_code == 0
    assert is_set(old) == before


@pytest.mark.parametrize("survivors", [1, 2, 3])
async def test_a_way_back_that_died_halfway_is_finished_by_the_next_run(
    old: House, command: Command, monkeypatch: pytest.MonkeyPatch, file: Path, survivors: int
) -> None:
    before = is_set(old)
    await command("connect --yes")
    fall_over_after(old, monkeypatch, len(await writes(old)) + survivors)
    first = await command("disconnect --yes")
    assert (first.exit_code, f"{survivors} of 4 written" in first.stderr) == (69, True), first.output
    assert file.exists()
    await old.post("/sandbox/faults", {}, "PUT")
    assert (await command("disconnect --yes")).exit_code == 0
    assert is_set(old) == before


async def test_another_url_later_does_not_forget_what_was_there_first(old: House, command: Command) -> None:
    before = is_set(old)
    await command("connect --yes")
    second = await command("connect --yes --public-url https://new.example.com/hub/")
    assert "PUBLIC_URL=https://new.example.com/hub" in second.stdout
    assert old.sandbox.sandbox.webhooks.targets.pre_url == "https://new.example.com/hub/pre-event"
    assert (await command("disconnect --yes")).exit_code == 0
    assert is_set(old) == before


async def test_what_somebody_changed_since_is_left_alone_unless_forced(
    old: House, command: Command, file: Path
) -> None:
    before = is_set(old)
    await command("connect --yes")
    old.sandbox.sandbox.world.workforce.settings.event_callback_url = "https://third.example/events"
    answer = await command("disconnect --yes")
    assert f"! TaskRouter workspace {seeds.WORKSPACE_SID}: changed by somebody since, left alone" in answer.stdout
    assert old.sandbox.sandbox.world.workforce.settings.event_callback_url == "https://third.example/events"
    assert old.sandbox.sandbox.webhooks.targets.pre_url == "https://old.example/pre"
    (put_away,) = file.parent.iterdir()
    put_away.rename(file)
    assert (await command("disconnect --yes --force")).exit_code == 0
    assert is_set(old) == before


async def test_webhooks_that_the_chat_service_has_of_its_own_are_the_ones_to_set(
    bare_house: House, command: Command
) -> None:
    webhooks = bare_house.sandbox.sandbox.webhooks
    webhooks.targets = Targets.nowhere()
    webhooks.service_targets = Targets("", "https://old.example/post", "", filters=("onMessageAdded",))
    assert (await command("connect --yes")).exit_code == 0
    assert webhooks.service_targets.pre_url == f"{HUB}/pre-event"
    assert webhooks.targets.pre_url == ""
    assert (await command("disconnect --yes")).exit_code == 0
    assert webhooks.service_targets == Targets("", "https://old.example/post", "", filters=("onMessageAdded",))


async def test_a_file_of_another_account_is_neither_used_nor_overwritten(
    old: House, command: Command, file: Path
) -> None:
    await command("connect --yes")
    held = json.loads(file.read_text()) | {"account_sid": "AC" + "0" * 32}
    file.write_text(json.dumps(held))
    old.sandbox.sandbox.webhooks.targets.pre_url = ""
    for words in ("connect --yes", "disconnect --yes"):
        answer = await command(words)
        assert (answer.exit_code, "AC" + "0" * 32 in answer.stderr) == (1, True)
    assert json.loads(file.read_text()) == held
    assert old.sandbox.sandbox.webhooks.targets.pre_url == ""


async def test_programs_get_the_same_as_json(old: House, command: Command) -> None:
    answer = await command("connect --yes --json")
    told = json.loads(answer.stdout)
    assert told["written"]
    by_key = {each["resource"]: each for each in told["resources"]}
    assert by_key[f"address/{NEW}"]["mark"] == "+"
    assert by_key["webhooks"]["fields"]["method"] == {"is": "GET", "will_be": "POST"}
    assert json.loads((await command("disconnect --yes --json")).stdout)["written"]


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("http://hub.example.com", "https://"),
        ("https://hub.example.com?x=1", "query"),
        ("https://hub.example.com/#top", "query"),
        ("https://user:secret@hub.example.com", "password"),
        ("hub.example.com", "address"),
        ("https://", "address"),
        ("https://hub.example.com:port", "address"),
    ],
)
async def test_a_url_that_twilio_cannot_sign_for_is_refused(
    bare_house: House, command: Command, url: str, word: str
) -> None:
    answer = await command(f"connect --yes --public-url {url}")
    assert answer.exit_code == 2
    assert word in answer.stderr
    assert "secret" not in answer.output
    assert await bare_house.ledger() == []


async def test_credentials_that_are_refused_are_told_from_a_twilio_that_is_away(
    bare_house: House, command: Command
) -> None:
    refused = await command("connect --yes", TWILIO_AUTH_TOKEN="0" * 32)
    assert (refused.exit_code, "TWILIO_AUTH_TOKEN" in refused.stderr) == (78, True)
    away = await command("connect --yes", TWILIO_API_URL="http://127.0.0.1:9")
    assert (away.exit_code, "does not answer" in away.stderr) == (69, True)
    unknown = await command("connect --yes", TASKROUTER_WORKSPACE_SID="WS" + "0" * 32)
    assert (unknown.exit_code, "20404" in unknown.stderr) == (1, True)
    assert "0" * 32 not in refused.output


async def test_a_customer_is_answered_through_what_was_connected(old: House, command: Command) -> None:
    await old.start(PUBLIC_URL=old.url)
    assert (await command(f"connect --yes --public-url {old.url}", PUBLIC_URL=old.url)).exit_code == 0
    sid = await old.say("whatsapp:+15550100001", "Hello", channel="whatsapp")
    await old.state(sid, "awaiting_choice")


# Calls


async def test_calls_are_left_alone_until_they_are_asked_for_and_go_back_to_the_letter(
    old: House, command: Command
) -> None:
    voice = old.sandbox.sandbox.webhooks.targets.voice
    before = voice.url, voice.status_callback, voice.method, voice.application_sid = (
        "https://old.example/calls",
        "",
        "GET",
        "AP" + "0" * 32,
    )
    assert (await command("connect --yes")).exit_code == 0
    assert (voice.url, voice.status_callback, voice.method, voice.application_sid) == before
    answer = await command("connect --voice --yes")
    assert answer.exit_code == 0, answer.output
    assert f"~ Calls to {seeds.NUMBERS['sms']}" in answer.stdout
    assert f"Note: Calls to {NEW} are left alone: it is no number of this account" in answer.stdout
    assert (voice.url, voice.status_callback) == (f"{HUB}/voice", f"{HUB}/voice/status")
    assert (voice.method, voice.application_sid) == ("POST", "")
    assert "Nothing is to be done." in (await command("connect --voice --yes")).stdout
    assert (await command("disconnect --yes")).exit_code == 0
    assert (voice.url, voice.status_callback, voice.method, voice.application_sid) == before
