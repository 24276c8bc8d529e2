"""Runs a server and keeps a copy of what it writes to stdout: tee.py COPY EXIT_CODE_FILE COMMAND…

The server keeps our stdin and stderr, so that it sees the client hang up.
"""

import os
import subprocess
import sys


def main(copy_path: str, code_path: str, command: list[str]) -> int:
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    with open(copy_path, "ab", buffering=0) as copy:
        while chunk := os.read(server.stdout.fileno(), 65_536):
            copy.write(chunk)
            sys.stdout.buffer.write(chunk)
            sys.stdout.buffer.flush()
    code = server.wait()
    with open(code_path, "a", encoding="ascii") as file:
        file.write(f"{code}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
