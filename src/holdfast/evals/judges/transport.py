"""One call of the OpenAI-compatible protocol: what came back, or what went wrong and whether it may pass.

No sentence of a server is repeated: it may hold what it was sent, forbidden text or the key.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Mapping
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeGuard

import httpx

from holdfast.types import UserError

OVERLONG, FILTERED = "overlong", "filtered"
REFUSED, CUT_OFF, EMPTY = "refused by the judge", "cut off", "empty answer"

CONNECT = 15.0  # seconds: a server that takes longer to be reached is not there
GRACE = 3.0  # seconds that calls under way get when the run is stopped
LONGEST = 16 << 20  # bytes of an answer; one of 100,000 tokens with its reasoning has less than one MiB
MOST_TOKENS = 10_000_000  # of one call: more is a miscount, and no invoice

_LONG = re.compile(r"context.{0,12}(?:length|window|size)|(?:prompt|input|request)\b.{0,20}too (?:long|large)", re.I)
_NAME = re.compile(r"[\w.:-]{1,60}")
_PASSING = (408, 409, 425, 429)


class Passing(Exception):
    """A fault that may be gone at the next attempt. ``charged``: the call may have been paid for all the same.
    ``after``: seconds that the server asks to wait. ``unreachable``: nobody was there."""

    def __init__(self, what: str, *, charged: bool, after: float | None = None, unreachable: bool = False) -> None:
        super().__init__(what)
        self.charged, self.after, self.unreachable = charged, after, unreachable


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What the server said. ``reason``: why it gave no answer and never will (``overlong``, ``filtered``, …).
    ``tokens``: of prompt and answer, where it counted them; ``charged``: whether it answered at all."""

    text: str
    reason: str | None = None
    tokens: tuple[int, int] | None = None
    charged: bool = True


def headers(key_env: str) -> httpx.Headers:
    """With the key, if there is one; printed, httpx hides it."""
    if not os.environ.get(key_env, "").strip():
        return httpx.Headers()
    if not re.fullmatch(r"[\x21-\x7e]+", os.environ[key_env].strip()):
        raise UserError(f"the key in ${key_env} holds characters that no key has; set it again")
    return httpx.Headers({"Authorization": f"Bearer {os.environ[key_env].strip()}"})


class Wire(AbstractContextManager["Wire"]):
    """The way to one server. Calls come from any thread and are made on an event loop of its own: only there does a
    call end when its time is over whatever the server sends, a byte now and then or endless interim responses.

    ``timeout``: seconds without a sign of life; ``deadline``: seconds for a whole call; ``most``: calls at once.
    """

    def __init__(self, url: str, key_env: str, *, timeout: float, deadline: float, most: int) -> None:
        self.url, self._key_env, self._deadline = url, key_env, deadline
        self._client = httpx.AsyncClient(
            base_url=url,
            headers=headers(key_env),
            timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT)),
            limits=httpx.Limits(max_connections=most),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(GRACE)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def hang_up(self) -> None:
        """End what is under way after a while of grace: it may be paid for, and its answer on the way."""
        self._loop.call_soon_threadsafe(self._loop.call_later, GRACE, self._cut)

    def _cut(self) -> None:
        for call in asyncio.all_tasks(self._loop):
            call.cancel()

    def post(self, body: Mapping[str, Any]) -> HttpReply:
        """One call. Raises Passing, or UserError where the request itself is at fault."""
        try:
            response = asyncio.run_coroutine_threadsafe(self._post(body), self._loop).result()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as e:
            raise Passing(_worded(e), charged=False, unreachable=True) from None
        except (httpx.RequestError, TimeoutError, CancelledError) as e:
            raise Passing(_worded(e), charged=True) from None
        if response.status == 200:
            return _read(response)
        return self._refused(response, body)

    async def _post(self, body: Mapping[str, Any]) -> _Response:
        async with (
            asyncio.timeout(self._deadline),
            self._client.stream("POST", "chat/completions", json=body) as answer,
        ):
            content = bytearray()
            async for chunk in answer.aiter_bytes():
                content += chunk
                if len(content) > LONGEST:
                    raise Passing(f"an answer of more than {LONGEST >> 20} MiB", charged=True)
        return _Response(answer.status_code, answer.headers, bytes(content))

    def _refused(self, response: _Response, body: Mapping[str, Any]) -> HttpReply:
        error = _error(response)
        what = " ".join(["status", str(response.status), *_names(error, self._key_env)])
        if error.get("code") == "insufficient_quota":
            raise UserError(f"the account at {self.url} has no credit left ({what}); top it up and run again")
        if response.status in _PASSING or response.status >= 500:
            raise Passing(what, charged=False, after=_retry_after(response.headers.get("Retry-After")))
        if error.get("code") == "context_length_exceeded" or _LONG.search(str(error.get("message", ""))):
            return HttpReply("", OVERLONG, charged=False)
        if "content_filter" in (error.get("code"), error.get("type")):
            return HttpReply("", FILTERED, charged=False)
        mend = {
            401: f"check the key in ${self._key_env}",
            403: f"check what the key in ${self._key_env} may do",
            404: "check `url` and `model`",
            **dict.fromkeys((301, 302, 303, 307, 308), "it has moved, and a key is not sent after it; correct `url`"),
        }.get(response.status, "check `model`, and `extra`, which can take a field out of the request")
        raise UserError(f"{self.url} refuses to answer for {body['model']} ({what}): {mend}")


@dataclass(frozen=True, slots=True)
class _Response:
    status: int
    headers: httpx.Headers
    content: bytes

    @property
    def json(self) -> Any:
        """Raises ValueError where it is none, or nested too deep to be one of this protocol."""
        try:
            return json.loads(self.content)
        except RecursionError:
            raise ValueError("nested too deep") from None


def _read(response: _Response) -> HttpReply:
    try:
        said = response.json
        choice = said["choices"][0]
        message, finish = choice["message"], choice.get("finish_reason")
        content, refusal = message.get("content"), message.get("refusal")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        raise Passing("an answer that is not of the protocol", charged=True) from None
    if isinstance(content, list):  # in parts
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    text = sendable(content) if isinstance(content, str) else ""
    return HttpReply(text, None if text.strip() else _silence(finish, refusal), _counted(said.get("usage")))


def _silence(finish: Any, refusal: Any) -> str:
    """Why an answer holds no text. It is kept all the same: asked again, and paid again, it would come to the same."""
    if finish == "content_filter":
        return FILTERED
    if refusal:
        return REFUSED
    return CUT_OFF if finish == "length" else EMPTY  # a reasoning model may think until there is no room left


def _counted(usage: Any) -> tuple[int, int] | None:
    """Tokens of prompt and answer; None where the server's count cannot be one."""
    if not isinstance(usage, dict):
        return None
    n_in, n_out = usage.get("prompt_tokens"), usage.get("completion_tokens")
    return (n_in, n_out) if _is_count(n_in) and _is_count(n_out) else None


def _is_count(n: Any) -> TypeGuard[int]:
    return isinstance(n, int) and not isinstance(n, bool) and 0 <= n <= MOST_TOKENS


def sendable(text: str) -> str:
    """Without halves of characters, which no UTF-8 can hold."""
    return text.encode("utf-8", "replace").decode()


def _error(response: _Response) -> Mapping[str, Any]:
    try:
        said = response.json
    except ValueError:
        return {}
    inner = said.get("error", said) if isinstance(said, dict) else {}
    return inner if isinstance(inner, dict) else {"message": inner}


def _names(error: Mapping[str, Any], key_env: str) -> list[str]:
    """What the error is called. Short names only, and none that holds the key."""
    key = os.environ.get(key_env, "").strip()
    words = [error.get(k) for k in ("code", "type", "param")]
    return [w for w in words if isinstance(w, str) and _NAME.fullmatch(w) and not (key and key in w)]


def _worded(error: Exception) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()


def _retry_after(said: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, 10.2.3)."""
    if said is None:
        return None
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
