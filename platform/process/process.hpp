// A child process beside the loop: openvpn, helpers that take long. (For helpers of some
// milliseconds see platform/system/run.) No shell: the arguments go to the program as they are.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class Process {
 public:
  struct Options {
    std::vector<std::string> argv;  // argv[0] is an absolute path, or searched in PATH
    // The whole environment of the child; nullopt: ours.
    std::optional<std::vector<std::string>> environment;
    std::string folder;  // working directory; empty: ours
    std::string input;   // given to standard input, which then ends
    std::size_t max_output =
        64 * 1024;                    // kept of standard output and of errors; the rest is dropped
    std::optional<Duration> timeout;  // then it gets SIGTERM, and SIGKILL after kill_delay
    Duration kill_delay = std::chrono::seconds{3};
    // Each line of output as it comes, without its end (cut at 4 KB); else it is collected.
    std::function<void(std::string_view line)> on_line;
  };
  struct Exit {
    int code = -1;  // exit code, -1: ended by the signal
    int signal = 0;
    bool timed_out = false;
    std::string output, errors;
  };
  // Once, after the process has ended and its output was read. May destroy the Process.
  using OnExit = std::function<void(Exit)>;

  // NotFound: no such program. Never calls back at once.
  static Result<std::unique_ptr<Process>> spawn(Loop& loop, Options options, OnExit on_exit);
  // A child that still runs is killed; nobody is called.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  int pid() const;
  void kill(int signal);
  // SIGTERM, and SIGKILL when it has not ended kill_delay later. `on_exit` comes as ever.
  void terminate();

  struct State;

 private:
  explicit Process(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
