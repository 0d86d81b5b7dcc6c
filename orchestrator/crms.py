"""Which adapter plays the CRM, and with which settings. What only one of them needs is imported where it is chosen."""

from typing import TYPE_CHECKING

import aiohttp
from pydantic import SecretStr

from orchestrator.adapters.book_crm import BookCrm
from orchestrator.ports import Crm
from orchestrator.settings import Settings
from storage.readers import Readers

if TYPE_CHECKING:
    from orchestrator.adapters.strapi_crm import StrapiCrm

CRM_TIMEOUT_S = 5.0


def crm_of(settings: Settings, readers: Readers, session: aiohttp.ClientSession) -> Crm:
    """The CRM that the setting `CRM` names."""
    match settings.crm:
        case "strapi":
            return strapi_of(settings, session)
        case "salesforce":
            from orchestrator.adapters.salesforce_crm import SalesforceCrm

            url = settings.salesforce_url
            client_id, secret = _shown(settings.salesforce_client_id), _shown(settings.salesforce_client_secret)
            assert url is not None, "settings refuse CRM=salesforce without SALESFORCE_URL"
            assert client_id is not None, "and without SALESFORCE_CLIENT_ID"
            assert secret is not None, "and without SALESFORCE_CLIENT_SECRET"
            return SalesforceCrm(session, url, client_id, secret, settings.crm_country, CRM_TIMEOUT_S)
        case "hubspot":
            from orchestrator.adapters.hubspot_crm import HubSpotCrm

            token = _shown(settings.hubspot_token)
            assert token, "settings refuse CRM=hubspot without HUBSPOT_TOKEN"
            return HubSpotCrm(session, token, settings.crm_country, CRM_TIMEOUT_S)
    return BookCrm(readers)


def strapi_of(settings: Settings, session: aiohttp.ClientSession) -> "StrapiCrm":
    """The Strapi of the settings `STRAPI_*`."""
    from orchestrator.adapters.strapi_crm import StrapiCrm

    assert settings.strapi_url is not None, "settings refuse CRM=strapi without STRAPI_URL"
    password, token = _shown(settings.strapi_password), _shown(settings.strapi_token)
    return StrapiCrm(session, settings.strapi_url, settings.strapi_identifier, password, token, CRM_TIMEOUT_S)


def _shown(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
