"""A language model behind any server that speaks OpenAI's API."""

from __future__ import annotations

from typing import Any

from ragtune.embed.checks import openai_server, require
from ragtune.questions.address import checked_url
from ragtune.questions.retrying_chat import Patience, RetryingChat

OPENAI = "https://api.openai.com/v1"


class OpenAIChat(RetryingChat):
    """A language model behind OpenAI's `/chat/completions`, wherever it runs.

    OpenAI, vLLM, Ollama, llama.cpp and LM Studio speak it. Answers are asked for by JSON schema;
    a server that refuses that is asked for any JSON, then for text, and the form that it took is
    remembered. So is that a model wants `max_completion_tokens` for `max_tokens`, or takes no
    temperature. 408, 429, 5xx and time-outs are retried after `retry-after`, else after a random
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
        patience = Patience(timeout_s, max_retries, backoff_s)
        url, key = openai_server(base_url, api_key)
        url = checked_url(url or OPENAI, allow_link_local=allow_link_local)
        openai = require("openai", "llm")
        super().__init__(f"openai:{model}", url, openai, patience, temperature)
        http = openai.DefaultHttpxClient(follow_redirects=False, timeout=timeout_s)
        self._client: Any = openai.OpenAI(
            api_key=key, base_url=url, timeout=timeout_s, max_retries=0, http_client=http
        )
        self._model = model

    def __repr__(self) -> str:
        return f"OpenAIChat(model={self._model!r}, base_url={str(self._client.base_url)!r})"

    def close(self) -> None:
        """End waits between retries, and give back the connections."""
        super().close()
        self._client.close()

    def _send(self, **request: Any) -> Any:
        return self._client.chat.completions.create(model=self._model, **request)

    def _secrets(self) -> list[str]:
        return [self._client.api_key]
