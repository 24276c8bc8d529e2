"""Two processes on one data folder: what the one writes, the other's subscribers hear of."""

import asyncio
import time
import warnings

import mcp.types as types
from mcp.shared.exceptions import MCPError

from checks import Checks
from server import Server

SUMMARY = "metrics://summary"
UNKNOWN = "metrics://weather"
SOON_SECONDS = 2
PATIENCE_SECONDS = 10
QUIET_SECONDS = 2.5
TRIES = 3


async def pay(client, prompt: str) -> None:
    await client.call_tool("route_prompt", {"prompt": prompt, "cache": "off"})


async def hears(checks: Checks, writer, heard: asyncio.Queue) -> None:
    """Has the other process write, and measures until it is told of."""
    waits = []
    for number in range(TRIES):
        await pay(writer, f"Explain the number {number} once more")
        started = time.monotonic()
        uri = await asyncio.wait_for(heard.get(), PATIENCE_SECONDS)
        waits.append(time.monotonic() - started)
        checks.equal("the resource that changed is named", uri, SUMMARY)
    checks.check("another process's write is told of in time", min(waits) <= SOON_SECONDS, waits)


async def is_quiet_after(writer, heard: asyncio.Queue) -> bool:
    # A look between an intent and its record tells of one payment twice.
    await asyncio.sleep(QUIET_SECONDS)
    while not heard.empty():
        heard.get_nowait()
    await pay(writer, "Unheard")
    await asyncio.sleep(QUIET_SECONDS)
    return heard.empty()


async def subscribing_legacy(checks: Checks, server: Server) -> None:
    heard: asyncio.Queue = asyncio.Queue()

    async def on_message(message: object) -> None:
        if isinstance(message, types.ResourceUpdatedNotification):
            await heard.put(str(message.params.uri))

    # Older clients have nothing newer to use.
    warnings.filterwarnings("ignore", message="resources/(un)?subscribe is removed")
    async with server.client("legacy", on_message) as here, server.client("legacy") as there:
        checks.check("it is offered", here.server_capabilities.resources.subscribe)
        await here.subscribe_resource(SUMMARY)
        await hears(checks, there, heard)
        await here.unsubscribe_resource(SUMMARY)
        is_quiet = await is_quiet_after(there, heard)
        checks.check("nothing is told after the end of it", is_quiet, heard)
        try:
            checks.check("an unknown resource is refused", False, await here.subscribe_resource(UNKNOWN))
        except MCPError as error:
            checks.equal("an unknown resource is refused", error.code, -32002)


async def subscribing_modern(checks: Checks, server: Server, era: str) -> None:
    heard: asyncio.Queue = asyncio.Queue()
    async with server.client(era) as here, server.client(era) as there:
        async with here.listen(resource_subscriptions=[SUMMARY, UNKNOWN]) as stream:
            honoured = stream.honored.resource_subscriptions
            checks.equal("what there is not is not taken on", honoured, [SUMMARY])

            async def pump() -> None:
                async for event in stream:
                    await heard.put(str(event.uri))

            pumping = asyncio.create_task(pump())
            await hears(checks, there, heard)
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
        is_quiet = await is_quiet_after(there, heard)
        checks.check("nothing is told after the end of it", is_quiet, heard)
        try:
            async with here.listen(resource_subscriptions=[UNKNOWN]) as stream:
                checks.check("an unknown resource is refused", False, stream.honored)
        except MCPError as error:
            checks.equal("an unknown resource is refused", error.code, -32602)


async def subscribing(checks: Checks, server: Server, era: str) -> None:
    if era == "legacy":
        await subscribing_legacy(checks, server)
    else:
        await subscribing_modern(checks, server, era)
