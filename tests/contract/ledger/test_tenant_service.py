"""TenantService: each RPC, what it answers and what it refuses."""

import grpc

from tests.fakes.ledger_server import LedgerClient
from tests.fakes.refusals import refusal
from vezne.ledger.v1.tenant_service_pb2 import CreateTenantRequest, ListTenantsRequest


async def test_a_tenant_begins_with_an_empty_book(ledger: LedgerClient) -> None:
    """A new tenant has sequence 0 and the time it was opened; asking again is a replay."""
    request = CreateTenantRequest(tenant_id="first", request_id="t-1")
    opened = await ledger.tenants.CreateTenant(request)
    again = await ledger.tenants.CreateTenant(request)

    assert (opened.tenant.tenant_id, opened.tenant.sequence) == ("first", 0)
    assert opened.tenant.create_time.seconds > 0
    assert (opened.replayed, again.replayed) == (False, True)
    assert again.tenant == opened.tenant


async def test_ids_of_a_wrong_shape_are_named(ledger: LedgerClient) -> None:
    """A bad tenant id and a missing request id are both listed as violations."""
    refused = await refusal(ledger.tenants.CreateTenant(CreateTenantRequest(tenant_id="No!")))

    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.reason, refused.domain) == ("INVALID_REQUEST", "ledger.vezne")
    assert refused.fields == ("tenant_id", "request_id")


async def test_tenants_are_listed_by_id(ledger: LedgerClient) -> None:
    """Pages go by id, and the last one has no token."""
    for name in ("b", "a", "c"):
        await ledger.tenant(f"page-{name}")
    seen: list[str] = []
    token = ""
    while True:
        page = await ledger.tenants.ListTenants(ListTenantsRequest(page_size=1, page_token=token))
        seen += [tenant.tenant_id for tenant in page.tenants]
        token = page.next_page_token
        if not token:
            break

    assert seen == sorted(seen)
    assert [name for name in seen if name.startswith("page-")] == ["page-a", "page-b", "page-c"]
