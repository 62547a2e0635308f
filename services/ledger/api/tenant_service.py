"""TenantService: opens and lists tenants."""

from services.kernel.clock import Clock, to_micros
from services.ledger.api import parsing
from services.ledger.application.ports import TenantStore
from services.ledger.domain.history import TenantView
from services.platform.paging import Page
from services.platform.rpc import Context
from vezne.ledger.v1 import tenant_service_pb2 as pb
from vezne.ledger.v1.tenant_service_pb2_grpc import TenantServiceServicer


class TenantService(TenantServiceServicer):
    """Serves TenantService."""

    def __init__(self, tenants: TenantStore, clock: Clock) -> None:
        self._tenants = tenants
        self._clock = clock

    async def CreateTenant(
        self, request: pb.CreateTenantRequest, _context: Context
    ) -> pb.CreateTenantResponse:
        tenant, existed = await self._tenants.create(request.tenant_id, to_micros(self._clock()))
        return pb.CreateTenantResponse(tenant=_tenant(tenant), replayed=existed)

    async def ListTenants(
        self, request: pb.ListTenantsRequest, _context: Context
    ) -> pb.ListTenantsResponse:
        page = Page.of(request)
        found = await self._tenants.list(page.after or "", page.size + 1)
        return pb.ListTenantsResponse(
            tenants=[_tenant(tenant) for tenant in found[: page.size]],
            next_page_token=page.next_token(found, lambda tenant: tenant.tenant_id),
        )


def _tenant(found: TenantView) -> pb.Tenant:
    return pb.Tenant(
        tenant_id=found.tenant_id,
        create_time=parsing.timestamp(found.create_micros),
        sequence=found.sequence,
    )
