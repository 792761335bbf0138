// One way to run a loop on all cores.
//
// Two things that OpenMP alone does not promise:
//   - an exception thrown by the body reaches the caller (one that leaves an
//     OpenMP region ends the process);
//   - after fork() the child runs serially. libgomp's threads do not survive a
//     fork, and a child that waits for them waits for ever.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstddef>
#include <exception>

namespace ragtune {

// Threads that a loop asking for `requested` gets: 0 means all that OpenMP allows
// (OMP_NUM_THREADS), and a forked child always gets 1.
// Throws std::invalid_argument if requested < 0.
int thread_count(int requested = 0);

// Remembers that the pool was started, so that a child forked later stays serial.
void note_pool_use();

// Calls fn(i) once for every i in [0, n), in no particular order, `grain` at a time.
// The first exception is rethrown on the calling thread; the rest of the loop is skipped.
template <class Fn>
void parallel_for(std::ptrdiff_t n, Fn&& fn, int num_threads = 0, int grain = 16) {
  const std::ptrdiff_t shares = (n + grain - 1) / grain;  // more threads would find nothing to do
  const int threads =
      int(std::min<std::ptrdiff_t>(thread_count(num_threads), std::max<std::ptrdiff_t>(shares, 1)));
  if (threads == 1) {
    for (std::ptrdiff_t i = 0; i < n; ++i) fn(i);
    return;
  }
  note_pool_use();
  std::exception_ptr first;
  bool failed = false;
#pragma omp parallel for schedule(dynamic, grain) num_threads(threads)
  for (std::ptrdiff_t i = 0; i < n; ++i) {
    bool skip;
#pragma omp atomic read
    skip = failed;
    if (skip) continue;
    try {
      fn(i);
    } catch (...) {
#pragma omp critical(ragtune_parallel_for)
      if (!first) first = std::current_exception();
#pragma omp atomic write
      failed = true;
    }
  }
  if (first) std::rethrow_exception(first);
}

}  // namespace ragtune
