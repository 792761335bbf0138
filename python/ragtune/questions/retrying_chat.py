"""What clients of language models share: forms of answers, and when they are asked again."""

from __future__ import annotations

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ragtune.types import ChatAnswer

FORMATS = ("json_schema", "json_object", "plain")
BUSY = (408, 409, 425, 429)  # and 5xx: the server may answer later
REFUSED = (400, 404, 415, 422, 501)  # of a form of answer that the server does not know
LONGEST_WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer may take, and how often and after what time it is asked for again.

    Raises:
        ValueError: A number is out of range.
    """

    timeout_s: float
    max_retries: int
    backoff_s: float

    def __post_init__(self) -> None:
        if not self.timeout_s > 0:
            raise ValueError(f"timeout_s: expected > 0, got {self.timeout_s}")
        if self.max_retries < 0:
            raise ValueError(f"max_retries: expected >= 0, got {self.max_retries}")


class RetryingChat(ABC):
    """A `Chat` whose requests are repeated, and put as its server takes them."""

    def __init__(
        self,
        name: str,
        server: str,
        openai: ModuleType,
        patience: Patience,
        temperature: float | None,
    ) -> None:
        """Be ready to `ask`.

        Args:
            name: What the answers are stored under.
            server: Who is asked, for messages.
            openai: The module whose exceptions `_send` raises.
            patience: When to ask again.
            temperature: How freely the model words; None leaves it to the server.
        """
        self.name = name
        self._server = server
        self._openai = openai
        self._patience = patience
        self._temperature = temperature
        self._form = 0  # of FORMATS; only grows
        self._unsupported: set[str] = set()  # parameters that the model does not take
        self._stop = threading.Event()

    def close(self) -> None:
        """End waits between retries."""
        self._stop.set()

    @abstractmethod
    def _send(self, **request: Any) -> Any:
        """Send one request and return what was answered, as OpenAI's client does."""

    @abstractmethod
    def _secrets(self) -> list[str]:
        """What no message may show."""

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
            form, given = self._form, self._parameters(max_tokens)
            try:
                sent = [dict(message) for message in messages]
                return _read(self._send(messages=sent, **given, **_format(FORMATS[form], schema)))
            except self._openai.APIStatusError as error:
                if self._learn(error, form, given):
                    continue
                busy = error.status_code in BUSY or error.status_code >= 500
                if not busy or retries >= self._patience.max_retries:
                    raise RuntimeError(
                        f"{self.name}: the server refused: {self._safe(error)}"
                    ) from None
                asked = error.response.headers.get("retry-after")
            except self._openai.APIConnectionError as error:
                if retries >= self._patience.max_retries:
                    raise ConnectionError(
                        f"{self.name}: no answer from {self._server}: {self._safe(error)}"
                    ) from None
                asked = None
            except self._openai.OpenAIError as error:
                raise RuntimeError(f"{self.name}: no answer: {self._safe(error)}") from None
            self._wait(retries, asked)
            retries += 1

    def _learn(self, error: Any, form: int, given: Mapping[str, Any]) -> bool:
        """Remember what a refused request should not have had; false if it is not known."""
        unsupported = {name for name in given if _is_unsupported(name, error)}
        self._unsupported |= unsupported
        if unsupported:
            return True
        if error.status_code not in REFUSED or form + 1 == len(FORMATS):
            return False
        self._form = max(self._form, form + 1)
        return True

    def _parameters(self, max_tokens: int) -> dict[str, Any]:
        """Length and temperature under the names that the model takes."""
        newer = "max_tokens" in self._unsupported
        given: dict[str, Any] = {"max_completion_tokens" if newer else "max_tokens": max_tokens}
        if self._temperature is not None and "temperature" not in self._unsupported:
            given["temperature"] = self._temperature
        return given

    def _wait(self, retries: int, asked: str | None) -> None:
        """Sleep before a retry: as long as the server asked for, else a random time."""
        try:
            seconds = max(float(asked or ""), 0.0)
        except ValueError:  # none, or a date: then the random time will do
            seconds = self._patience.backoff_s * 2**retries * random.uniform(0.5, 1.5)
        if self._stop.wait(min(seconds, LONGEST_WAIT_S)):
            raise ConnectionError(f"{self.name}: closed while it waited")

    def _safe(self, error: Exception) -> str:
        """A server may repeat the key in its answer."""
        said = str(error)
        for secret in self._secrets():
            said = said.replace(secret, "***")
        return said


def _format(form: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    if form == "json_schema":
        named = {"name": "answer", "schema": dict(schema), "strict": True}
        return {"response_format": {"type": form, "json_schema": named}}
    return {"response_format": {"type": form}} if form == "json_object" else {}


def _is_unsupported(parameter: str, error: Any) -> bool:
    """Whether a model does not take a parameter at all, or but one value of it.

    OpenAI's newest ones want max_completion_tokens for max_tokens, and no temperature but 1. A
    value that is out of range is not meant: that is the caller's to know.
    """
    said = str(error).lower()
    if error.status_code != 400 or parameter not in said:
        return False
    if parameter == "max_tokens" and "max_completion_tokens" in said:
        return True
    droppable = parameter in ("max_tokens", "temperature")
    return droppable and any(word in said for word in ("unsupported", "not support"))


def _read(answer: Any) -> ChatAnswer:
    choices = getattr(answer, "choices", None) or []
    text = choices[0].message.content if choices and choices[0].message else None
    usage = getattr(answer, "usage", None)
    return ChatAnswer(
        text or "",
        int(getattr(usage, "prompt_tokens", 0) or 0),
        int(getattr(usage, "completion_tokens", 0) or 0),
    )
