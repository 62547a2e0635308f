"""Two servers of ours on one machine: a port is had by one, and whoever comes second is told."""

import pytest

from services.platform.listening import PortTakenError
from tests.fakes.scripted_server import Script, playing


@pytest.mark.parametrize("name", ["port", "health_port", "metrics_port"])
async def test_a_port_is_never_shared(name: str) -> None:
    """A second server on it would take half of the calls: it is refused, and told the setting."""
    async with playing(Script(), metrics_port=0) as server:
        taken = getattr(server, name)
        with pytest.raises(PortTakenError, match=f":{taken} .* VEZNE_LEDGER_GRPC__{name.upper()} "):
            async with playing(Script(), **{name: taken}):
                pass
