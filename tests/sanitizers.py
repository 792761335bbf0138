"""What a run under AddressSanitizer cannot do."""

import os

import pytest

UNDER_ASAN = "RAGTUNE_ASAN" in os.environ

# Seen in a debugger: the child waits for the mutex of the sanitizer's allocator, which a thread of
# the parent held at the fork, while the interpreter frees a lock of its own.
without_asan_as_it_forks_beside_threads = pytest.mark.skipif(
    UNDER_ASAN, reason="gcc 12's ASan does not hold its allocator's locks over a fork"
)
