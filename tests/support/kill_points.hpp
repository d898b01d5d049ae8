// Kills a process at every single point where it writes or sends, one point a run: this file's
// object replaces libc's write, pwrite, fsync, send and their like in the test program.
//
//   for (std::size_t n = 0;; ++n) {
//     const auto end = test::run_until_point(n, [&] { ...the program's work... });
//     ...what must hold, whatever was reached...
//     if (end == test::RunEnd::Completed) break;
//   }
#pragma once

#include <cstddef>
#include <functional>

namespace myst::test {

enum class RunEnd {
  Killed,     // at the point, before its system call was made
  Completed,  // the work has fewer points
  Failed,     // it crashed or said so by returning false
};
// Runs `work` in a child process that is killed at point `n` (0: the first one).
RunEnd run_until_point(std::size_t n, const std::function<bool()>& work);

// A message on its way, or back: a point like the others.
void on_its_way();

// Memory that a child's writes reach the parent through, without a system call. Zeroed.
void* shared_memory(std::size_t size);

}  // namespace myst::test
