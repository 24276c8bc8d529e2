"""The real binary as a server under test, with everything that it writes."""

import sys
from contextlib import asynccontextmanager
from pathlib import Path

from mcp import StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client

TEE = Path(__file__).with_name("tee.py")
CALL_TIMEOUT_SECONDS = 60


class Server:
    """A way to start the binary; each start appends to the same copies of stdout and stderr."""

    def __init__(self, binary: Path, folder: Path, args: list[str], env: dict[str, str]) -> None:
        folder.mkdir(parents=True)
        self.stdout_copy = folder / "stdout"
        self.stderr_copy = folder / "stderr"
        self.exit_codes = folder / "exit-codes"
        self.starts = 0
        command = [str(TEE), str(self.stdout_copy), str(self.exit_codes), str(binary), *args]
        self.parameters = StdioServerParameters(command=sys.executable, args=command, env=env)

    @asynccontextmanager
    async def client(self, era: str, on_message=None):
        """Starts the server and connects the official client to it; `on_message` hears what nobody asked for."""
        self.starts += 1
        with self.stderr_copy.open("a", encoding="utf-8") as errlog:
            transport = stdio_client(self.parameters, errlog=errlog)
            # Without the client's own cache every read is the server's answer.
            async with Client(
                transport,
                mode=era,
                cache=None,
                read_timeout_seconds=CALL_TIMEOUT_SECONDS,
                message_handler=on_message,
            ) as client:
                yield client

    def stdout(self) -> str:
        return self.stdout_copy.read_text(encoding="utf-8")

    def stderr(self) -> str:
        return self.stderr_copy.read_text(encoding="utf-8")

    def ended_with(self) -> list[str]:
        """Lists the exit codes; a server that had to be killed left none."""
        return self.exit_codes.read_text(encoding="ascii").split() if self.exit_codes.exists() else []
