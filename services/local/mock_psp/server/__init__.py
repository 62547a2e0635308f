"""The mock PSP as an HTTP server: a real one, that tests can also start in their own process.

async with serving({"main": new_account()}) as mock_psp:
    mock_psp.base_url   # http://127.0.0.1:<a free port>
"""

from services.local.mock_psp.server.serving import MockPsp, serving

__all__ = ["MockPsp", "serving"]
