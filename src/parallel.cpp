#include "parallel.hpp"

#include <pthread.h>

#include <atomic>
#include <stdexcept>
#include <string>

namespace ragtune {
namespace {

std::atomic<bool> pool_used{false};
std::atomic<bool> serial{false};

// Runs in the child of every fork.
void after_fork_in_child() {
  if (pool_used) serial = true;
}

[[maybe_unused]] const int installed = pthread_atfork(nullptr, nullptr, after_fork_in_child);

}  // namespace

int thread_count(int requested) {
  if (requested < 0)
    throw std::invalid_argument("num_threads: expected >= 0, got " + std::to_string(requested));
  if (serial) return 1;
  return requested ? requested : omp_get_max_threads();
}

void note_pool_use() { pool_used = true; }

}  // namespace ragtune
