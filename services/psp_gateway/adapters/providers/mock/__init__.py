"""The mock PSP, spoken to over HTTP as any provider (`docs/integrate/mock_psp.md`)."""

from services.psp_gateway.adapters.providers.mock.provider import connect_mock

__all__ = ["connect_mock"]
