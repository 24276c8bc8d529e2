"""Plays Anthropic's Messages API on loopback, badly where a prompt asks for it."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

INPUT_TOKENS = 1_234
OUTPUT_TOKENS = 567
ANSWER = "the-answers-canary"
# In a prompt, each makes the provider misbehave.
REFUSE_THE_KEY = "refuse-my-key"
OVERLOAD_THE_FIRST_MODEL = "overload-the-first-model"


class Provider(ThreadingHTTPServer):
    """Answers everything with the same usage, and notes who asked for what."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, key: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = key
        self.lock = threading.Lock()
        self.models: list[str] = []
        self.wrong_keys = 0
        self.overloaded: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, key: str | None, body: dict) -> tuple[int, dict]:
        prompt, model = body["messages"][-1]["content"], body["model"]
        with self.lock:
            self.models.append(model)
            self.wrong_keys += key != self.key
            is_first = prompt not in self.overloaded
            self.overloaded.add(prompt)
        if REFUSE_THE_KEY in prompt:
            # A provider that repeats the key and the prompt must not bring them into our messages.
            return 401, error("authentication_error", f"invalid x-api-key {key} for {prompt}")
        if OVERLOAD_THE_FIRST_MODEL in prompt and is_first:
            return 529, error("overloaded_error", f"overloaded: {key}")
        time.sleep(0.02)
        return 200, {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [{"type": "text", "text": f"{ANSWER} by {model}"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS},
        }


def error(kind: str, message: str) -> dict:
    return {"type": "error", "error": {"type": kind, "message": message}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Provider

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        body = json.loads(self.rfile.read(length))
        is_ours = self.path == "/v1/messages"
        status, reply = (
            self.server.answer(self.headers.get("x-api-key"), body)
            if is_ours
            else (404, error("not_found_error", self.path))
        )
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Says nothing."""


@contextmanager
def provider(key: str):
    """Serves until the block ends."""
    server = Provider(key)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
