"""JSON over HTTP to a server in OpenAI's manner: what fails for a while is tried again.

Waits double each time, less up to a half by lot (exponential back-off with jitter), and are at
least what the server asks for (Retry-After). Refusals (400, 401, 403, 404 …) are an error at once.
The key goes into one header, to the URL given and no other: redirects are not followed.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import socket
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

from rowspace.errors import ConfigError, RemoteError

API_KEY_VARIABLE = "OPENAI_API_KEY"
OPENAI_URL = "https://api.openai.com/v1"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0
_LONGEST_ASKED = 600.0  # seconds of a Retry-After that are waited for
_LARGEST_ANSWER = 1 << 30
_PASSING = frozenset({408, 409, 425, 429})  # and 5xx


class _Passing(Exception):  # noqa: N818
    """What may be better in a while."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None  # or the key would go to where it was not meant to


class Endpoint:
    """A server that takes and gives JSON. Several threads may ask at once.

    Parameters
    ----------
    url : str
        What comes before `/embeddings` or `/chat/completions`.
    api_key : str, optional
        Else the environment variable has it; without either none is sent, which is what servers
        of one's own want.
    api_key_variable : str
        Name of that variable.
    timeout : float
        Seconds that one answer may take.
    max_retries : int
        Times that one request is tried again.
    requests_per_minute : float, optional
        At most so many, evenly spaced.
    sleep : callable, optional
        Waits for so many seconds; for tests.

    Raises
    ------
    ConfigError
        If the URL is none of http or https, or a setting cannot work.
    """

    def __init__(
        self,
        url: str = OPENAI_URL,
        *,
        api_key: str | None = None,
        api_key_variable: str = API_KEY_VARIABLE,
        timeout: float = 60.0,
        max_retries: int = 6,
        requests_per_minute: float | None = None,
        sleep: Callable[[float], Any] | None = None,
    ) -> None:
        self.url = _checked_url(url)
        self._variable = api_key_variable
        self._key = _checked_key(api_key or os.environ.get(api_key_variable, ""), api_key_variable)
        for name, value in (("timeout", timeout), ("requests_per_minute", requests_per_minute)):
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}; give a number above 0")
        if max_retries < 0:
            raise ConfigError(f"max_retries is {max_retries}; give 0 or more")
        self._timeout, self._max_retries = timeout, max_retries
        self._pause = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._next_at = 0.0  # on the clock of time.monotonic
        self._lock = threading.Lock()
        self._opener = urllib.request.build_opener(_NoRedirects)
        self.n_requests = 0
        """Requests sent so far, with those tried again."""

    def __repr__(self) -> str:
        return f"Endpoint({self.url!r})"  # without the key

    def stop(self) -> None:
        """Let no request begin or be tried again; those on their way come to their end."""
        self._stopped.set()

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Send `body` as JSON and return the answer's.

        Raises
        ------
        RemoteError
            If the server refuses, still fails after the last retry, or answers with no JSON.
        """
        data = json.dumps(body).encode()
        for attempt in range(self._max_retries + 1):
            self._wait_for_turn()
            try:
                return self._ask(path, data)
            except _Passing as error:
                self._before_retry(path, attempt, error)
        raise AssertionError("the last attempt returns or raises")

    def _before_retry(self, path: str, attempt: int, error: _Passing) -> None:
        """Wait, or say that it is of no use."""
        place = f"{self.url}{path}"
        if attempt == self._max_retries:
            raise RemoteError(
                f"{place} failed {attempt + 1} times, at last with: {error}; try again later, "
                "or give a longer timeout or fewer requests a minute"
            ) from error
        if error.wait is not None and error.wait > _LONGEST_ASKED:
            raise RemoteError(
                f"{place} asks to wait {error.wait:,.0f} seconds ({error}); try again then"
            ) from error
        wait = min(_FIRST_WAIT * 2.0**attempt, _LONGEST_WAIT)
        wait *= random.uniform(0.5, 1.0)  # noqa: S311
        self._sleep(max(wait, error.wait or 0.0))

    def _wait_for_turn(self) -> None:
        if self._pause:
            with self._lock:
                now = time.monotonic()
                turn = max(self._next_at, now)
                self._next_at = turn + self._pause
            if turn > now:
                self._sleep(turn - now)
        if self._stopped.is_set():
            raise RemoteError("stopped; run the same again to go on")

    def _ask(self, path: str, data: bytes) -> Any:
        headers = {"Content-Type": "application/json", "User-Agent": "rowspace"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(self.url + path, data, headers)  # noqa: S310
        with self._lock:
            self.n_requests += 1
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                raw = _read(response, self._timeout)
        except urllib.error.HTTPError as error:
            with error:
                raise self._refusal(path, error) from error
        except (http.client.HTTPException, OSError) as error:
            raise self._no_answer(error) from error
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise RemoteError(
                f"{self.url}{path} answered with no JSON: {self._shown(raw)}; check the URL"
            ) from error

    def _no_answer(self, error: Exception) -> Exception:
        """What a connection that failed means."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return RemoteError(f"{self.url} has no certificate to trust ({reason.verify_message})")
        if isinstance(reason, socket.gaierror) and reason.errno == socket.EAI_NONAME:
            return RemoteError(f"there is no host of the name in {self.url}; check the URL")
        if isinstance(reason, TimeoutError):
            return _Passing(f"no answer in {self._timeout:g} seconds")
        return _Passing(self._without_key(str(reason) or type(reason).__name__))

    def _refusal(self, path: str, error: urllib.error.HTTPError) -> Exception:
        """What an answer with an error's status means."""
        try:
            raw = error.read(1 << 16)
        except (http.client.HTTPException, OSError):
            raw = b""
        said = f"status {error.code}: {self._shown(_message_of(raw) or raw)}"
        is_passing = error.code in _PASSING or error.code >= 500
        if is_passing and b"insufficient_quota" not in raw:
            return _Passing(said, _retry_after(error.headers.get("Retry-After")))
        advice = {
            401: f"set the environment variable {self._variable} to a key that holds there",
            403: "check what the key may do",
            404: "check the URL and the model's name",
            429: "the account has nothing left to spend",
        }.get(error.code, "check the model's name and the settings")
        return RemoteError(f"{self.url}{path} refused with {said}; {advice}")

    def _shown(self, raw: bytes | str) -> str:
        """The beginning of what a server said, on one line."""
        text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
        text = " ".join("".join(c if c.isprintable() else " " for c in text[:4000]).split())
        return self._without_key(text)[:200] or "nothing"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "***") if self._key else text


def _read(response: http.client.HTTPResponse, timeout: float) -> bytes:
    """The whole answer; a server that sends it drop by drop is too late as well."""
    deadline = time.monotonic() + timeout
    parts: list[bytes] = []
    size = 0
    while part := response.read1(1 << 20):
        parts.append(part)
        size += len(part)
        if time.monotonic() > deadline:
            raise TimeoutError
        if size > _LARGEST_ANSWER:
            raise RemoteError(f"an answer of over {_LARGEST_ANSWER:,} bytes; give smaller batches")
    if response.length:  # bytes still owed
        raise http.client.IncompleteRead(b"", response.length)
    return b"".join(parts)


def _message_of(raw: bytes) -> str:
    """The words of an error in OpenAI's form, `{"error": {"message": …}}`; else nothing."""
    try:
        error = json.loads(raw)["error"]
        return str(error["message"] if isinstance(error, dict) else error)
    except (ValueError, KeyError, TypeError):
        return ""


def _retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After asks for: a number, or a date."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _checked_url(url: str) -> str:
    try:
        parts = urllib.parse.urlsplit(url)
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port that is no number
        is_whole = False
    if not is_whole or not url.isprintable() or " " in url or "?" in url or "#" in url:
        raise ConfigError(f"the URL {url!r} is none; give one like {OPENAI_URL}")
    if parts.username or parts.password:
        raise ConfigError("the URL has a password in it; give the key by its variable instead")
    return url.rstrip("/")


def _checked_key(key: str, variable: str) -> str:
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(f"the key has a character no key has; check the variable {variable}")
    return key
