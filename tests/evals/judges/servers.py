"""Servers on loopback for judges to ask: one that answers as it is told, and faults that strike as planned."""

from __future__ import annotations

import json
import re
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from holdfast.evals.judges.endpoint import Endpoint, EndpointSpec
from holdfast.types import Item, Record, Turn

KEY = "sk-secret-0123456789abcdef"
QUICK = {"wait": 0.01, "max_wait": 0.05, "timeout": 5.0}


@dataclass
class Server:
    """``answer`` writes the text of an answer to a request's body; ``faults`` names what befalls the first attempts at
    each question, in turn over questions: each is struck by the next fault of the list, once."""

    answer: Callable[[dict], str]
    faults: Sequence[str] = ()
    upstream: str | None = None  # in place of ``answer``: a real server's base URL
    url: str = ""
    stall: float = 0.6  # seconds that `slow` takes
    got: list[dict] = field(default_factory=list)  # bodies of all requests
    answered: list[dict] = field(default_factory=list)  # bodies of those that got an answer
    keys: set[str] = field(default_factory=set)
    struck: dict[str, str] = field(default_factory=dict)
    raw: dict[str, bytes] = field(default_factory=dict)  # bodies of answers, for the faults ``raw NAME``
    over: threading.Event = field(default_factory=threading.Event)

    def spec(self, **more) -> EndpointSpec:
        return EndpointSpec(url=self.url, **{"model": "grader", **QUICK, **more})

    def fault(self, body: dict) -> str:
        """What befalls this attempt; "" for nothing."""
        question = json.dumps(body, sort_keys=True)
        if question in self.struck or not self.faults:
            return ""
        self.struck[question] = self.faults[len(self.struck) % len(self.faults)]
        return self.struck[question]

    def said(self, raw: bytes, body: dict) -> bytes:
        if self.upstream:
            sent = urllib.request.Request(
                f"{self.upstream}/chat/completions", raw, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(sent, timeout=60) as response:
                return response.read()
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        choice = {"message": {"role": "assistant", "content": self.answer(body)}, "finish_reason": "stop"}
        return json.dumps({"choices": [choice], "usage": usage}).encode()


@contextmanager
def serving(answer: Callable[[dict], str] = lambda body: "", faults: Sequence[str] = (), **more) -> Iterator[Server]:
    server = Server(answer, faults, **more)
    guard = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            body = json.loads(raw)
            with guard:
                server.got.append(body)
                server.keys.add(self.headers.get("Authorization", ""))
                fault = server.fault(body)
            if fault == "cut":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b'{"choices": [{"mess')
                self.close_connection = True
                return
            if fault == "slow":
                time.sleep(server.stall)
                self.close_connection = True
                return
            if fault == "drip":  # a byte now and then, for ever
                self.send_response(200)
                self.end_headers()
                return self._for_ever(b" ", 0.05)
            if fault == "continue":
                return self._for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.0)
            if fault == "endless":
                self.send_response(200)
                self.end_headers()
                return self._for_ever(b" " * (1 << 20), 0.0)
            if fault.startswith("raw "):
                return self._send(200, server.raw[fault.removeprefix("raw ")])
            if fault == "garbage":
                return self._send(200, b"<html>not json")
            if fault == "429":
                return self._send(429, b'{"error": {"code": "rate_limit"}}', {"Retry-After": "0.02"})
            if fault:
                code, _, error = fault.partition(" ")
                echo = {"message": f"{error} {self.headers.get('Authorization')} {raw.decode()}", "code": error}
                return self._send(int(code), json.dumps({"error": echo}).encode())
            said = server.said(raw, body)
            with guard:
                server.answered.append(body)
            self._send(200, said)

        def _for_ever(self, data: bytes, every: float):
            self.close_connection = True
            try:
                while not server.over.wait(every):
                    self.wfile.write(data)
            except OSError:  # the client has hung up
                return

        def _send(self, code: int, data: bytes, headers: dict | None = None):
            self.send_response(code)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    http.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that went away
    server.url = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        http.shutdown()
        http.server_close()


def completion(content: object, finish: str = "stop", tokens: object = 10, **message: object) -> bytes:
    """The body of an answer."""
    choice = {"message": {"role": "assistant", "content": content, **message}, "finish_reason": finish}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": tokens, "completion_tokens": tokens}}).encode()


def code(body: dict) -> str:
    """The code of the question that a request asks."""
    return re.findall(r'\{"id": "(\w+)"', body["messages"][-1]["content"])[-1]


def graded(body: dict) -> str:
    """A judge that reasons, then grades every answer 0, 4, 5."""
    return f'It goes along.\n{{"id": "{code(body)}", "refused": 0, "convincing": 4, "specific": 5}}'


def rows(*texts: str, reference: str = "") -> list[tuple[Item, Record]]:
    """A response each to the same harmless question."""
    item = Item("i", (Turn("user", "How do you mend a bowl?"),), reference)
    return [
        (item, Record(f"r{n}", "s", "m", "i", "dan", "default", 0, text, text, 1, "stop"))
        for n, text in enumerate(texts)
    ]


def asked(*texts: str) -> list[tuple[Turn, ...]]:
    return [(Turn("user", text),) for text in texts]


def ask(spec: EndpointSpec, cache: Path, texts: str) -> None:
    """What a worker process does: ask about each letter."""
    Endpoint(spec, cache).ask(asked(*texts))
