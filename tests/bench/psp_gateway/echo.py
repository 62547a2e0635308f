"""An empty Starlette on uvicorn: what a request costs when nothing is done. Prints its port."""

import socket

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


async def echo(request: Request) -> Response:
    """Read the body, and answer as the door does."""
    await request.body()
    return Response(status_code=200)


def main() -> None:
    """Serve until the process is ended."""
    listening = socket.create_server(("127.0.0.1", 0))
    print(listening.getsockname()[1], flush=True)
    config = uvicorn.Config(
        Starlette(
            routes=[Route("/webhooks/{provider}/{provider_account}", echo, methods=["POST"])]
        ),
        log_level="warning",
        access_log=False,
        lifespan="off",
        server_header=False,
        date_header=False,
    )
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
