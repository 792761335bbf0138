// A Python callable as a C++ progress callback, for code that runs without the GIL.
#pragma once

#include <chrono>
#include <functional>

#include "arrays.hpp"

namespace ragtune {

// True if the callable returned something true: stop. Its exceptions, and Ctrl-C, pass through
// the C++ code to the caller. None asks for signals only, ten times a second.
template <class... Args>
std::function<bool(Args...)> reporter(const py::object& callable) {
  using Clock = std::chrono::steady_clock;
  return [&callable, silent = callable.is_none(), last = Clock::now()](Args... args) mutable {
    const auto now = Clock::now();
    const bool look = now - last > std::chrono::milliseconds(100);
    if (silent && !look) return false;
    const py::gil_scoped_acquire gil;
    if (look) {
      last = now;
      if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    }
    return !silent && py::bool_(callable(args...));
  };
}

}  // namespace ragtune
