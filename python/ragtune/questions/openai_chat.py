"""A language model behind any server that speaks OpenAI's API."""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ragtune.embed.checks import openai_server, require
from ragtune.questions.address import checked_url
from ragtune.types import ChatAnswer

OPENAI = "https://api.openai.com/v1"
FORMATS = ("json_schema", "json_object", "plain")
BUSY = (408, 409, 425, 429)  # and 5xx: the server may answer later
REFUSED = (400, 404, 415, 422, 501)  # of a form of answer that the server does not know
LONGEST_WAIT_S = 60.0


class OpenAIChat:
    """A language model behind OpenAI's `/chat/completions`, wherever it runs.

    OpenAI, vLLM, Ollama, llama.cpp and LM Studio speak it. Answers are asked for by JSON schema;
    a server that refuses that is asked for any JSON, then for text, and the form that it took is
    remembered. 408, 429, 5xx and time-outs are retried after `retry-after`, else after a random
    time that doubles. The key is never part of a message or of `repr`.

    Args:
        model: Name of the model, as the server knows it.
        base_url: The server; by default OpenAI's, or the environment's OPENAI_BASE_URL.
        api_key: By default the environment's OPENAI_API_KEY; a server given by `base_url` may
            need none.
        timeout_s: Longest wait for one answer.
        max_retries: How often a request is repeated.
        backoff_s: First wait before a retry, about.
        temperature: How freely the model words; None leaves it to the server.
        allow_link_local: Allow link-local and metadata addresses as the server.

    Raises:
        ImportError: The package openai is missing.
        ValueError: A number is out of range, the address is refused, or there is no key.
    """

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = 60,
        max_retries: int = 5,
        backoff_s: float = 0.5,
        temperature: float | None = None,
        allow_link_local: bool = False,
    ) -> None:
        if not timeout_s > 0:
            raise ValueError(f"timeout_s: expected > 0, got {timeout_s}")
        if max_retries < 0:
            raise ValueError(f"max_retries: expected >= 0, got {max_retries}")
        url, key = openai_server(base_url, api_key)
        url = checked_url(url or OPENAI, allow_link_local=allow_link_local)
        self._openai = require("openai", "llm")
        http = self._openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout_s)
        self._client: Any = self._openai.OpenAI(
            api_key=key, base_url=url, timeout=timeout_s, max_retries=0, http_client=http
        )
        self.name = f"openai:{model}"
        self._model = model
        self._temperature = temperature
        self._max_retries = max_retries
        self._backoff_s = backoff_s
        self._form = 0  # of FORMATS; only grows
        self._stop = threading.Event()

    def __repr__(self) -> str:
        return f"OpenAIChat(model={self._model!r}, base_url={str(self._client.base_url)!r})"

    def close(self) -> None:
        """End waits between retries, and give back the connections."""
        self._stop.set()
        self._client.close()

    def ask(
        self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any], max_tokens: int
    ) -> ChatAnswer:
        """Send messages and return the answer; it is text, whatever was asked for.

        Raises:
            ConnectionError: The server was not reached or did not answer in time.
            RuntimeError: The server refused; the message has its status and reason.
        """
        retries = 0
        while True:
            form = self._form
            try:
                return self._once(messages, schema, max_tokens, FORMATS[form])
            except self._openai.APIStatusError as error:
                if error.status_code in REFUSED and form + 1 < len(FORMATS):
                    self._form = max(self._form, form + 1)
                    continue
                busy = error.status_code in BUSY or error.status_code >= 500
                if not busy or retries >= self._max_retries:
                    raise RuntimeError(
                        f"{self.name}: the server refused: {self._safe(error)}"
                    ) from None
                asked = error.response.headers.get("retry-after")
            except self._openai.APIConnectionError as error:
                if retries >= self._max_retries:
                    where = self._client.base_url
                    reason = self._safe(error)
                    raise ConnectionError(
                        f"{self.name}: no answer from {where}: {reason}"
                    ) from None
                asked = None
            except self._openai.OpenAIError as error:
                raise RuntimeError(f"{self.name}: no answer: {self._safe(error)}") from None
            self._wait(retries, asked)
            retries += 1

    def _once(
        self,
        messages: Sequence[Mapping[str, str]],
        schema: Mapping[str, Any],
        max_tokens: int,
        form: str,
    ) -> ChatAnswer:
        optional: dict[str, Any] = {}
        if form == "json_schema":
            named = {"name": "answer", "schema": dict(schema), "strict": True}
            optional["response_format"] = {"type": form, "json_schema": named}
        elif form == "json_object":
            optional["response_format"] = {"type": form}
        if self._temperature is not None:
            optional["temperature"] = self._temperature
        answer = self._client.chat.completions.create(
            model=self._model,
            messages=[dict(message) for message in messages],
            max_tokens=max_tokens,
            **optional,
        )
        choices = getattr(answer, "choices", None) or []
        text = choices[0].message.content if choices and choices[0].message else None
        usage = getattr(answer, "usage", None)
        return ChatAnswer(
            text or "",
            int(getattr(usage, "prompt_tokens", 0) or 0),
            int(getattr(usage, "completion_tokens", 0) or 0),
        )

    def _wait(self, retries: int, asked: str | None) -> None:
        """Sleep before a retry: as long as the server asked for, else a random time."""
        try:
            seconds = max(float(asked or ""), 0.0)
        except ValueError:  # none, or a date: then the random time will do
            seconds = self._backoff_s * 2**retries * random.uniform(0.5, 1.5)
        if self._stop.wait(min(seconds, LONGEST_WAIT_S)):
            raise ConnectionError(f"{self.name}: closed while it waited")

    def _safe(self, error: Exception) -> str:
        """A server may repeat the key in its answer."""
        return str(error).replace(self._client.api_key, "***")
