"""A language model behind any API that LiteLLM speaks."""

from __future__ import annotations

import os
from typing import Any, cast

from ragtune.embed.checks import require
from ragtune.questions.address import checked_url
from ragtune.questions.retrying_chat import Patience, RetryingChat


class LiteLLMChat(RetryingChat):
    """A language model of any provider that LiteLLM knows: Anthropic, Gemini, Bedrock and others.

    What a provider does not take is left out by LiteLLM; answers, retries and keys are handled as
    `OpenAIChat` does.

    Args:
        model: Name of the model as LiteLLM writes it, with its provider: "anthropic/...".
        base_url: The server, if it is not the provider's own.
        api_key: By default the environment's, under the name that the provider gave it.
        timeout_s: Longest wait for one answer.
        max_retries: How often a request is repeated.
        backoff_s: First wait before a retry, about.
        temperature: How freely the model words; None leaves it to the server.
        options: Further arguments of `litellm.completion`.

    Raises:
        ImportError: The package litellm is missing.
        ValueError: A number is out of range, or the address is refused.
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
        **options: Any,
    ) -> None:
        patience = Patience(timeout_s, max_retries, backoff_s)
        url = None if base_url is None else checked_url(base_url)
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else importing downloads
        self._litellm = cast(Any, require("litellm", "litellm"))
        self._litellm.suppress_debug_info = True  # else it prints beside the result of a command
        openai = require("openai", "litellm")
        super().__init__(f"litellm:{model}", url or model, openai, patience, temperature)
        self._model = model
        self._key = api_key
        self._options = {"base_url": url, "api_key": api_key, "timeout": timeout_s} | options

    def __repr__(self) -> str:
        return f"LiteLLMChat(model={self._model!r}, base_url={self._options['base_url']!r})"

    def _send(self, **request: Any) -> Any:
        return self._litellm.completion(
            model=self._model,
            drop_params=True,
            num_retries=0,
            max_retries=0,
            **self._options,
            **request,
        )

    def _secrets(self) -> list[str]:
        named = [value for name, value in os.environ.items() if name.endswith("_API_KEY")]
        return [secret for secret in (self._key, *named) if secret]
