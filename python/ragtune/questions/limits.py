"""How fast a server is asked: requests a second and tokens a minute, over all threads."""

from __future__ import annotations

import threading
import time


class Limiter:
    """Hands out turns, in the order in which they were asked for."""

    def __init__(
        self, requests_per_second: float | None = 1.0, tokens_per_minute: float | None = None
    ) -> None:
        """None is no limit.

        Raises:
            ValueError: A limit is not above 0.
        """
        for name, value in (
            ("requests_per_second", requests_per_second),
            ("tokens_per_minute", tokens_per_minute),
        ):
            if value is not None and not value > 0:
                raise ValueError(f"{name}: expected > 0, got {value}")
        self._gap_s = 1 / requests_per_second if requests_per_second else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self, tokens: int, stop: threading.Event) -> bool:
        """Sleep until a request of about so many tokens may go; False if `stop` came first."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._next, now)
            self._next = turn + max(self._gap_s, tokens * self._token_s)
        return not stop.wait(max(turn - time.monotonic(), 0.0))
