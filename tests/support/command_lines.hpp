// A tool that a script talks to: one command a line on standard input, one answer a line.
#pragma once

#include <unistd.h>

#include <array>
#include <cstdio>
#include <functional>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "platform/loop/fd_watcher.hpp"

namespace myst::test {

// "ok [value]", or "error <what> (<detail>)".
inline void answer_line(const Status& status, const std::string& value = {}) {
  if (status.ok()) {
    std::printf("ok %s\n", value.c_str());
  } else {
    std::printf("error %s (%d)\n", status.error().what, status.error().detail);
  }
  std::fflush(stdout);
}

// Says "ready", hands over each line, returns when `run` has stopped the loop or the input ends.
// False: standard input cannot be watched.
inline bool serve_command_lines(platform::Loop& loop,
                                const std::function<void(std::string_view)>& run) {
  std::string input;
  auto watcher = platform::FdWatcher::open(loop, STDIN_FILENO, [&](unsigned) {
    std::array<char, 4096> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size == 0) return loop.stop();
    if (size < 0) return;
    input.append(buffer.data(), static_cast<std::size_t>(size));
    for (std::size_t end = input.find('\n'); end != std::string::npos; end = input.find('\n')) {
      const std::string line = input.substr(0, end);
      input.erase(0, end + 1);
      run(line);
    }
  });
  if (!watcher.ok()) return false;
  watcher->watch(platform::FdWatcher::kReadable);
  std::printf("ready\n");
  std::fflush(stdout);
  loop.run();
  return true;
}

}  // namespace myst::test
