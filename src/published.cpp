#include "published.hpp"

#include <pthread.h>

#include <unordered_set>

namespace ragtune {
namespace {

struct Forks {
  std::mutex publishing;
  std::unordered_set<WriterLock*> writers;

  static Forks& get() {
    static Forks* forks = new Forks;  // lives as long as any value
    return *forks;
  }
  Forks() {
    pthread_atfork([] { get().publishing.lock(); }, [] { get().publishing.unlock(); },
                   [] {
                     for (WriterLock* writer : get().writers) writer->renew();
                     get().publishing.unlock();
                   });
  }
};

}  // namespace

std::mutex& publishing() { return Forks::get().publishing; }

WriterLock::WriterLock() {
  const std::lock_guard lock(publishing());
  Forks::get().writers.insert(this);
}

WriterLock::~WriterLock() {
  const std::lock_guard lock(publishing());
  Forks::get().writers.erase(this);
}

}  // namespace ragtune
