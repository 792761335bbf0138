// A value that one thread replaces while others read the one they took, also across a fork.
//
// A fork may come while another thread publishes or writes, and that thread is not in the child.
// So a fork waits for the short lock under which values change hands, and in the child every
// writer's lock is a new one: what its writer had not published is forgotten.
#pragma once

#include <memory>
#include <mutex>

namespace ragtune {

// A mutex that is free in the child of a fork, whoever held it.
class WriterLock {
 public:
  WriterLock();
  ~WriterLock();
  WriterLock(const WriterLock&) = delete;
  WriterLock& operator=(const WriterLock&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  void renew() { new (&mutex_) std::mutex; }

 private:
  std::mutex mutex_;
};

// Held for the moment in which a value changes hands, and over a fork.
std::mutex& publishing();

template <class T>
class Published {
 public:
  explicit Published(T value) : value_(std::make_shared<const T>(std::move(value))) {}

  std::shared_ptr<const T> get() const {
    const std::lock_guard lock(publishing());
    return value_;
  }

  void set(T value) {
    auto next = std::make_shared<const T>(std::move(value));
    const std::lock_guard lock(publishing());
    value_.swap(next);  // the old one ends after the lock, if nobody reads it
  }

 private:
  std::shared_ptr<const T> value_;
};

}  // namespace ragtune
