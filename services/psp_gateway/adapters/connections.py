"""Provider accounts from settings: secrets read, keys checked, connections built."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from services.kernel.clock import Clock
from services.platform.settings import SettingsError, read_secret
from services.psp_gateway.adapters.providers.calling import CallLimits, ProviderCalls, new_client
from services.psp_gateway.adapters.providers.mock import connect_mock
from services.psp_gateway.adapters.providers.standard_webhooks import KeyFormatError, read_key
from services.psp_gateway.application.providers import Connection, Connections, FeeTerms
from services.psp_gateway.domain.accounts import ProviderAccount
from services.psp_gateway.settings import ProviderAccountSettings

Connect = Callable[[ProviderAccountSettings, ProviderAccount, ProviderCalls, Clock], Connection]


def connect(
    accounts: Sequence[ProviderAccountSettings],
    clock: Clock,
    stack: AsyncExitStack,
    limits: CallLimits,
) -> Connections:
    """Connect every provider account; what is opened is closed with the stack.

    Raises:
        SettingsError: a provider is unknown, or a secret is missing, empty or malformed.
    """
    problems: list[str] = []
    by_account: dict[ProviderAccount, Connection] = {}
    for account in accounts:
        at = ProviderAccount(account.provider, account.provider_account)
        try:
            by_account[at] = _connected(account, at, clock, stack, limits)
        except (SettingsError, KeyFormatError) as error:
            problems.append(f"provider account {at}: {error}")
    if problems:
        raise SettingsError(problems)
    return Connections(by_account)


def _connected(
    account: ProviderAccountSettings,
    at: ProviderAccount,
    clock: Clock,
    stack: AsyncExitStack,
    limits: CallLimits,
) -> Connection:
    connect_provider = _PROVIDERS.get(account.provider)
    if connect_provider is None:
        raise SettingsError([f"the provider is none of {', '.join(_PROVIDERS)}"])
    secret = read_secret(account.api_key_file).decode()
    client = new_client(account.base_url, limits)
    stack.push_async_callback(client.aclose)
    calls = ProviderCalls(client, {"authorization": f"Bearer {secret}"}, limits)
    return connect_provider(account, at, calls, clock)


def _mock(
    account: ProviderAccountSettings, at: ProviderAccount, calls: ProviderCalls, clock: Clock
) -> Connection:
    terms = account.fee
    return connect_mock(
        calls,
        clock,
        tenant_id=account.tenant_id,
        at=at,
        currencies=account.currencies,
        bank_account=account.bank_account,
        mode=account.mode,
        report_format=account.report_format,
        keys=[
            read_key(key.kid, read_secret(key.file), key.not_before, key.not_after)
            for key in account.webhook_key
        ],
        fee_terms=FeeTerms(terms.basis_points, terms.fixed_minor) if terms else None,
    )


_PROVIDERS: Mapping[str, Connect] = {"mock": _mock}
