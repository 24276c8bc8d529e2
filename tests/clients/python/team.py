"""The official Python client over HTTP, as two users of one server in each era: team.py BINARY

Each claim is a line `ok - …` or `not ok - …`. The server is a simulation, which verifies tokens as a real one does.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import re
import signal
import sys
import tempfile
import time
from contextlib import asynccontextmanager

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from checks import Checks

ERAS = ("legacy", "auto", "2026-07-28")
SECRET = "a-secret-of-this-conversation-long-enough"
ALICE, BOB = (f"5a3b6f0e-0000-4000-8000-00000000000{name}" for name in "ab")
PROMPT = "What is the capital of France?"
TOOLS = 8


def token(user: str) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    claims = {"sub": user, "aud": "authenticated", "role": "authenticated", "exp": int(time.time()) + 3_600}
    text = f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part(claims)}"
    signature = hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


@asynccontextmanager
async def server(binary: str, folder: str):
    """Starts the server and gives its process and its address."""
    env = {
        "HOME": folder,
        "COST_OPTIMIZER_DATA_DIR": folder,
        "COST_OPTIMIZER_CONFIG": "/dev/null",
        "EMBEDDING_MODEL_PATH": os.path.join(folder, "no-model"),
        "HTTP_ALLOWED_USERS": f"{ALICE},{BOB}",
        "SUPABASE_JWT_SECRET": SECRET,
    }
    process = await asyncio.create_subprocess_exec(
        binary, "--simulate", "serve", "--http", "127.0.0.1:0", env=env, stderr=asyncio.subprocess.PIPE
    )
    try:
        async for line in process.stderr:
            found = re.search(r"serving over HTTP address=(\S+)", line.decode())
            if found:
                yield process, f"http://{found[1]}/mcp"
                break
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def connected(address: str, user: str, era: str):
    async with httpx2.AsyncClient(headers={"authorization": f"Bearer {token(user)}"}, timeout=60) as http:
        transport = streamable_http_client(address, http_client=http)
        async with Client(transport, mode=era, cache=None, read_timeout_seconds=60) as client:
            yield client


async def conversing(checks: Checks, address: str, era: str, is_first: bool) -> None:
    async with connected(address, ALICE, era) as alice, connected(address, BOB, era) as bob:
        tools = (await alice.list_tools()).tools
        checks.equal("it lists its tools", len(tools), TOOLS)
        answer = await alice.call_tool("route_prompt", {"prompt": PROMPT})
        source = answer.structured_content["source"]
        checks.equal("an answer is bought once", source, "provider" if is_first else "cache_exact")
        again = await alice.call_tool("route_prompt", {"prompt": PROMPT})
        checks.equal("the same prompt comes from the cache", again.structured_content["source"], "cache_exact")
        other = await bob.call_tool("cost_report", {"period": "all"})
        checks.equal("another user has nothing", other.structured_content["totals"]["requests"], 0)
        rating = {"request_id": answer.structured_content["request_id"], "verdict": "good"}
        refused = await bob.call_tool("rate_response", rating)
        checks.check("another user's request is not known", refused.is_error, refused)
        rated = await alice.call_tool("rate_response", rating)
        checks.check("one's own is", not rated.is_error, rated)
        read = await alice.read_resource("metrics://summary")
        checks.check("a resource is read", json.loads(read.contents[0].text), read)


async def main() -> int:
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        async with server(sys.argv[1], folder) as (process, address):
            for era in ERAS:
                with checks.part(f"over HTTP, {era}"):
                    await conversing(checks, address, era, era == ERAS[0])
            with checks.part("over HTTP, without a token"):
                try:
                    async with Client(address, mode="2026-07-28", cache=None) as nobody:
                        await nobody.list_tools()
                    checks.check("nobody is served", False)
                except BaseException as error:  # whatever the client makes of a 401
                    checks.check("nobody is served", not isinstance(error, KeyboardInterrupt), error)
            process.send_signal(signal.SIGTERM)
            rest, code = await asyncio.gather(process.stderr.read(), process.wait())
            checks.equal("it ends well when it is told to", code, 0)
            checks.check("no token is in its log", b"eyJ" not in rest, rest.decode())
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
