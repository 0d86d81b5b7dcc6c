"""The vendors' own clients (`pip install expert-hub[bots-test]`), given what our adapters send: what they send is seen
by the same server. Each function takes the server's URL and the body of our question."""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from typing import Any

from tests.contract.bots import AGENT

Body = Mapping[str, Any]


def openai(url: str, body: Body) -> object:
    from openai import OpenAI

    return OpenAI(api_key="openai-key", base_url=f"{url}/v1", max_retries=0).chat.completions.create(**body)


def anthropic(url: str, body: Body) -> object:
    from anthropic import Anthropic

    return Anthropic(api_key="anthropic-key", base_url=url, max_retries=0).messages.create(**body)


def clu(url: str, body: Body) -> object:
    from azure.ai.language.conversations import ConversationAnalysisClient
    from azure.core.credentials import AzureKeyCredential

    with ConversationAnalysisClient(url, AzureKeyCredential("clu-key")) as client:
        return client.analyze_conversation(task=dict(body))


def watson(url: str, body: Body) -> object:
    from ibm_cloud_sdk_core.authenticators import IAMAuthenticator
    from ibm_watson import AssistantV2

    service = AssistantV2(version="2024-08-25", authenticator=IAMAuthenticator("watson-key", url=url))
    service.set_service_url(url)
    session = service.create_session("A", "E").get_result()["session_id"]
    return service.message("A", "E", session, **body).get_result()


def dialogflow(url: str, body: Body) -> object:
    from google.cloud.dialogflowcx_v3 import DetectIntentRequest, SessionsClient
    from google.cloud.dialogflowcx_v3.services.sessions.transports.rest import SessionsRestTransport
    from google.oauth2.credentials import Credentials

    host = url.removeprefix("http://")
    transport = SessionsRestTransport(host=host, credentials=Credentials("access-token"), url_scheme="http")
    # Refuses a field it does not know.
    request = DetectIntentRequest.from_json(json.dumps(body), ignore_unknown_fields=False)
    request.session = f"{AGENT}/sessions/{SESSION}"
    return SessionsClient(transport=transport).detect_intent(request=request)


CLIENTS: dict[str, tuple[str, str, Callable[[str, Body], object]]] = {
    "openai": ("openai", "openai", openai),
    "anthropic": ("anthropic", "anthropic", anthropic),
    "clu": ("azure.ai.language.conversations", "azure-ai-language-conversations", clu),
    "watson": ("ibm_watson", "ibm-watson", watson),
    "dialogflow": ("google.cloud.dialogflowcx_v3", "google-cloud-dialogflow-cx", dialogflow),
}
"""Kind to module, distribution and function."""

SESSION = "0" * 32


def readable_token() -> str:
    """An access token as IBM's client reads one: a JWT that is over in an hour, signed by nobody."""
    parts = {"alg": "none"}, {"iat": int(time.time()), "exp": int(time.time()) + 3600}
    return ".".join(urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".eA"
