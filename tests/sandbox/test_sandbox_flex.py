"""The second account of the sandbox, a Flex: its own world, Interactions, and webhooks of one conversation."""

import json
from typing import Any

import aiohttp
import pytest

from orchestrator.sandbox import seeds
from orchestrator.sandbox.server import Running, start

OURS = aiohttp.encode_basic_auth(seeds.ACCOUNT_SID, seeds.AUTH_TOKEN)
FLEX = aiohttp.encode_basic_auth(seeds.FLEX_ACCOUNT_SID, seeds.FLEX_AUTH_TOKEN)
ROUTING = {"properties": {"workspace_sid": seeds.FLEX_WORKSPACE_SID, "workflow_sid": seeds.FLEX_WORKFLOW_SID}}


class Client:
    """Asks the sandbox as one account or the other."""

    def __init__(self, running: Running, session: aiohttp.ClientSession) -> None:
        self.running = running
        self._session = session

    async def ask(self, method: str, path: str, who: str, **form: Any) -> tuple[int, Any]:
        data = [(name, one) for name, value in form.items() for one in (value if isinstance(value, list) else [value])]
        url = f"{self.running.url}/v1/{path}"
        async with self._session.request(method, url, data=data or None, headers={"Authorization": who}) as answer:
            return answer.status, await answer.json()

    async def conversation(self) -> str:
        return str((await self.ask("POST", "Conversations", FLEX, FriendlyName="Maria"))[1]["sid"])


@pytest.fixture
async def client() -> Any:
    running = await start("127.0.0.1", 0, "http://127.0.0.1:9")
    async with aiohttp.ClientSession() as session:
        yield Client(running, session)
    await running.stop()


def channel(conversation_sid: str) -> str:
    properties = {"media_channel_sid": conversation_sid}
    return json.dumps({"type": "web", "initiated_by": "api", "properties": properties})


async def test_the_accounts_have_nothing_of_each_other(client: Client) -> None:
    sid = await client.conversation()
    status, found = await client.ask("GET", f"Conversations/{sid}", FLEX)
    assert (status, found["account_sid"]) == (200, seeds.FLEX_ACCOUNT_SID)
    assert (await client.ask("GET", f"Conversations/{sid}", OURS))[0] == 404
    mixed = aiohttp.encode_basic_auth(seeds.FLEX_ACCOUNT_SID, seeds.AUTH_TOKEN)
    assert (await client.ask("GET", f"Conversations/{sid}", mixed))[0] == 401


async def test_an_interaction_makes_a_task_that_names_both(client: Client) -> None:
    sid = await client.conversation()
    routing = {"properties": ROUTING["properties"] | {"attributes": {"customerName": "Maria"}}}
    status, made = await client.ask("POST", "Interactions", FLEX, Channel=channel(sid), Routing=json.dumps(routing))
    assert status == 200
    path = f'Workspaces/{seeds.FLEX_WORKSPACE_SID}/Tasks?EvaluateTaskAttributes=conversationSid == "{sid}"'
    _status, found = await client.ask("GET", path, FLEX)
    (attributes,) = [json.loads(task["attributes"]) for task in found["tasks"]]
    assert (attributes["flexInteractionSid"], attributes["conversationSid"]) == (made["sid"], sid)
    assert attributes["customerName"] == "Maria"


@pytest.mark.parametrize(
    ("who", "change", "status"),
    [
        (OURS, {}, 404),
        (FLEX, {"Channel": channel("CH" + "0" * 32)}, 404),
        (FLEX, {"Channel": "{}"}, 400),
        (FLEX, {"Routing": '{"properties": {}}'}, 400),
        (FLEX, {"Routing": "nothing"}, 400),
        (FLEX, {"Channel": '{"type":"web","initiated_by":"api","properties":[]}'}, 400),
        (FLEX, {"Channel": '{"type":null,"initiated_by":"api"}'}, 400),
        (FLEX, {"Routing": '{"properties": "none"}'}, 400),
        (FLEX, {"Routing": json.dumps({"properties": ROUTING["properties"] | {"attributes": "none"}})}, 400),
    ],
    ids=[
        "our account",
        "no conversation",
        "no channel",
        "no workflow",
        "no JSON",
        "properties of a channel that are none",
        "no type",
        "properties of a route that are none",
        "attributes that are none",
    ],
)
async def test_an_interaction_is_refused(client: Client, who: str, change: dict[str, str], status: int) -> None:
    form = {"Channel": channel(await client.conversation()), "Routing": json.dumps(ROUTING)} | change
    assert (await client.ask("POST", "Interactions", who, **form))[0] == status
    assert client.running.flex.interactions.all == []


async def test_a_conversation_has_five_webhooks_at_most_and_post_action_ones(client: Client) -> None:
    sid = await client.conversation()
    form = {
        "Target": "webhook",
        "Configuration.Url": "http://127.0.0.1:9/flex-event",
        "Configuration.Filters": ["onMessageAdded", "onParticipantRemoved"],
    }
    path = f"Conversations/{sid}/Webhooks"
    assert (await client.ask("POST", path, FLEX, **form | {"Configuration.Filters": ["onMessageAdd"]}))[0] == 400
    for _ in range(5):
        assert (await client.ask("POST", path, FLEX, **form))[0] == 201
    status, told = await client.ask("POST", path, FLEX, **form)
    assert (status, told["code"]) == (400, 50361)
    _status, found = await client.ask("GET", path, FLEX)
    assert [it["configuration"]["url"] for it in found["webhooks"]] == [form["Configuration.Url"]] * 5
