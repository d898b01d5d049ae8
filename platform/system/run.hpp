// Runs a short helper program (iptables-restore, resolvconf) to its end: no shell, a fixed
// environment, bounded output. Blocks the calling thread some milliseconds; anything longer belongs
// on a WorkQueue.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"

namespace myst::platform {

struct RunResult {
  int exit_code = -1;  // 128 + signal when it was killed
  std::string output;  // at most kMaxRunOutput bytes, the rest is read and dropped
  std::string errors;  // ... of standard error, at most kMaxRunErrors
};
inline constexpr std::size_t kMaxRunOutput = 4 * 1024 * 1024;  // iptables-save of a big rule set
inline constexpr std::size_t kMaxRunErrors = 8 * 1024;

// argv[0] is an absolute path (see find_program). The child dies with this thread, so nothing of
// ours goes on changing the system after a crash. Timeout: it was killed. NotFound: no such
// program.
Result<RunResult> run(const std::vector<std::string>& argv, std::string_view input = {},
                      Duration limit = std::chrono::seconds{15});

// The program's absolute path: PATH, then the sbin folders that an ordinary user's PATH lacks.
// Empty: not installed.
std::string find_program(std::string_view name);

}  // namespace myst::platform
