"""What variables are called: a field's name in capitals, and the names of the original application."""

from pydantic import AliasChoices

OTHER_NAMES = {
    "twilio_account_sid": ("ACCOUNT_SID",),
    "twilio_auth_token": ("AUTH_TOKEN",),
    "taskrouter_workspace_sid": ("FRONTLINE_WORKSPACE",),
    "taskrouter_queue_sid": ("DEFAULT_POOL_QUEUE_SID",),
    "messaging_service_sid": ("FRONTLINE_MESSAGING_SERVICE",),
    "strapi_url": ("DB_URL",),
    "strapi_identifier": ("DB_ID",),
    "strapi_password": ("DB_PASS",),
}
FLEX_VARIABLES = ("FLEX_ACCOUNT_SID", "FLEX_AUTH_TOKEN", "FLEX_WORKSPACE_SID", "FLEX_WORKFLOW_SID")


def variables_of(field: str) -> AliasChoices:
    """The variables a field is read from, the strongest first."""
    return AliasChoices(field.upper(), *OTHER_NAMES.get(field, ()))
