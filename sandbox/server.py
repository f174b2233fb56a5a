"""The HTTP server: loopback only, and only for those who call it by a loopback name (T21)."""

import asyncio
import fcntl
import os
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from sandbox.cloud import Cloud
from sandbox.control import Control
from sandbox.lambda_wire import LambdaWire
from sandbox.options import Options, OptionsError
from sandbox.runpod.graphql_wire import GraphqlWire
from sandbox.runpod.rest_wire import RestWire
from sandbox.runpod.scheduler import Scheduler

HOST = "127.0.0.1"
# A launch carries up to 1 MB of user data, more once escaped as JSON.
LARGEST_REQUEST_BYTES = 8 * 1024 * 1024

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


async def serve(options: Options) -> None:
    """Serve until SIGTERM or SIGINT, then end every machine."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    # Homes, keys and ledger are nobody else's.
    os.umask(0o077)
    with _own_data_dir(options.data_dir):
        cloud = Cloud(options)
        await cloud.clear_leftovers()
        runner = web.AppRunner(_application(cloud), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, options.port)
            await site.start()
            host, port = runner.addresses[0][:2]
            print(f"sandbox listening on http://{host}:{port}", flush=True)
            await stopped.wait()
        finally:
            await runner.cleanup()
            await cloud.close()


def _application(cloud: Cloud) -> web.Application:
    app = web.Application(
        middlewares=[_check_host, _check_origin], client_max_size=LARGEST_REQUEST_BYTES
    )
    Control(cloud).add_routes(app)
    LambdaWire(cloud).add_routes(app)
    scheduler = Scheduler(cloud)
    RestWire(cloud, scheduler).add_routes(app)
    GraphqlWire(cloud, scheduler).add_routes(app)
    return app


@web.middleware
async def _check_host(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse other names: a web page that rebinds its own name to loopback arrives with it."""
    address = request.transport.get_extra_info("sockname") if request.transport else None
    allowed = {f"{name}:{address[1]}" for name in (HOST, "localhost")} if address else set()
    if request.host not in allowed:
        return web.Response(status=421, text="The sandbox answers to loopback names only.")
    return await handler(request)


@web.middleware
async def _check_origin(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what a web page sends: a browser may add credentials that its user once typed (T21).

    Programs send none of these headers; an address that the user typed comes with ``none``.
    """
    is_from_page = request.headers.get("Sec-Fetch-Site", "none") != "none"
    if "Origin" in request.headers or is_from_page:
        return web.Response(status=403, text="The sandbox answers to no web page.")
    return await handler(request)


@contextmanager
def _own_data_dir(data_dir: Path) -> Iterator[None]:
    """Hold the folder's lock: to a second sandbox the first one's machines are leftovers."""
    descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OptionsError(f"Another sandbox uses {data_dir}.") from None
        yield
    finally:
        os.close(descriptor)
