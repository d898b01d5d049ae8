#include "platform/system/run.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>

#include "core/base/text.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {
namespace {

struct Pipe {
  UniqueFd read, write;
};

Result<Pipe> open_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return Error{Errc::Io, errno, "pipe"};
  return Pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

std::int64_t milliseconds_now() {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1000 + time.tv_nsec / 1'000'000;
}

// Reads what is there into `out`, dropping what exceeds `max`; false at the end of the stream.
bool drain(int fd, std::string& out, std::size_t max) {
  std::array<char, 16384> buffer;
  const ssize_t size = ::read(fd, buffer.data(), buffer.size());
  if (size < 0) return errno == EINTR || errno == EAGAIN;
  if (size == 0) return false;
  out.append(buffer.data(), std::min(static_cast<std::size_t>(size), max - out.size()));
  return true;
}

// Between fork and exec only async-signal-safe calls are allowed.
[[noreturn]] void become(char* const* argv, char* const* environment, int in, int out, int err,
                         pid_t parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A process that was orphaned before prctl() took effect must not go on either.
  if (::getppid() != parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0) ::_exit(127);
  ::execve(argv[0], argv, environment);
  ::_exit(127);
}

// Feeds and drains the child; false when the time is up.
bool converse(UniqueFd& in, UniqueFd& out, UniqueFd& err, std::string_view input,
              std::int64_t give_up_at, RunResult& result) {
  while (out.valid() || err.valid()) {
    const std::int64_t left = give_up_at - milliseconds_now();
    if (left <= 0) return false;
    pollfd fds[3] = {{in.get(), POLLOUT, 0}, {out.get(), POLLIN, 0}, {err.get(), POLLIN, 0}};
    if (::poll(fds, 3, static_cast<int>(left)) < 0 && errno != EINTR) return false;
    if (in.valid() && fds[0].revents != 0) {
      const ssize_t size = ::write(in.get(), input.data(), input.size());
      if (size > 0) input.remove_prefix(static_cast<std::size_t>(size));
      if (input.empty() || (size < 0 && errno != EINTR && errno != EAGAIN)) in.reset();
    }
    if (out.valid() && fds[1].revents != 0 && !drain(out.get(), result.output, kMaxRunOutput)) {
      out.reset();
    }
    if (err.valid() && fds[2].revents != 0 && !drain(err.get(), result.errors, kMaxRunErrors)) {
      err.reset();
    }
  }
  return true;
}

}  // namespace

Result<RunResult> run(const std::vector<std::string>& argv, std::string_view input,
                      Duration limit) {
  if (argv.empty() || ::access(argv[0].c_str(), X_OK) != 0) {
    return Error{Errc::NotFound, ENOENT, "helper program"};
  }
  MYST_TRY_ASSIGN(Pipe in, open_pipe());
  MYST_TRY_ASSIGN(Pipe out, open_pipe());
  MYST_TRY_ASSIGN(Pipe err, open_pipe());
  std::vector<char*> arguments;
  for (const std::string& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  // English messages, and of our environment nothing but the PATH.
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  if (const char* own = std::getenv("PATH"); own != nullptr) {
    path = "PATH=" + std::string(own) + ":/usr/sbin:/sbin";
  }
  std::string language = "LC_ALL=C";
  char* environment[] = {path.data(), language.data(), nullptr};

  // A write to a helper that died must be an error, not our end.
  sigset_t pipe_signal, before;
  ::sigemptyset(&pipe_signal);
  ::sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &before);

  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) {
    become(arguments.data(), environment, in.read.get(), out.write.get(), err.write.get(), parent);
  }
  Result<RunResult> answer(Error{Errc::Io, errno, "fork"});
  if (child > 0) {
    in.read.reset();
    out.write.reset();
    err.write.reset();
    if (input.empty()) in.write.reset();
    if (in.write.valid()) ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
    RunResult result;
    const std::int64_t give_up_at =
        milliseconds_now() + std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    const bool in_time = converse(in.write, out.read, err.read, input, give_up_at, result);
    if (!in_time) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (in_time) {
      answer = std::move(result);
    } else {
      answer = Error{Errc::Timeout, 0, "helper program"};
    }
  }
  const timespec no_wait{};
  while (::sigtimedwait(&pipe_signal, nullptr, &no_wait) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return answer;
}

std::string find_program(std::string_view name) {
  std::string folders = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin";
  if (const char* path = std::getenv("PATH"); path != nullptr)
    folders = std::string(path) + ":" + folders;
  for (const std::string_view folder : split(folders, ':')) {
    if (folder.empty() || folder[0] != '/') continue;
    std::string candidate = std::string(folder) + "/" + std::string(name);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace myst::platform
