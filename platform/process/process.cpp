#include "platform/process/process.hpp"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>

#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/timer.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {
namespace {

constexpr std::size_t kMaxLine = 4096;
// How long output is waited for once the process has ended: a grandchild may hold the pipe for
// ever.
constexpr Duration kOutputDelay = std::chrono::milliseconds{200};

// Bounded collection, or lines.
struct Output {
  UniqueFd fd;
  FdWatcher watcher;
  std::string text;
  bool ended = false;
};

Status make_pipe(UniqueFd& read_end, UniqueFd& write_end) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return Error{Errc::Io, errno, "pipe"};
  read_end.reset(ends[0]);
  write_end.reset(ends[1]);
  return {};
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (const std::string& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

}  // namespace

struct Process::State {
  State(Loop& owner, Options wanted, OnExit call)
      : loop(owner),
        options(std::move(wanted)),
        on_exit(std::move(call)),
        deadline(owner, [this] { on_deadline(); }),
        kill_timer(owner, [this] { signal_child(SIGKILL); }),
        output_timer(owner, [this] { finish(); }) {}

  // The handle outlives us until libuv has closed it; a child given up on is still reaped.
  struct Handle {
    uv_process_t process{};
    State* owner = nullptr;
  };

  Loop& loop;
  const Options options;
  const OnExit on_exit;
  Timer deadline, kill_timer, output_timer;
  Handle* handle = nullptr;
  UniqueFd input_fd;
  FdWatcher input_watcher;
  std::size_t input_offset = 0;
  Output output, errors;
  Exit exit;
  int pid = 0;
  bool exited = false;
  bool over = false;

  void signal_child(int signal) {
    if (!exited && handle != nullptr) uv_process_kill(&handle->process, signal);
  }

  void terminate() {
    if (exited) return;
    signal_child(SIGTERM);
    kill_timer.arm_in(options.kill_delay);
  }

  void on_deadline() {
    exit.timed_out = true;
    terminate();
  }

  Status watch(Output& from) {
    MYST_TRY_ASSIGN(from.watcher,
                    FdWatcher::open(loop, from.fd.get(), [this, &from](unsigned) { read(from); }));
    from.watcher.watch(FdWatcher::kReadable);
    return {};
  }

  void read(Output& from) {
    const MutableByteSpan buffer = loop.scratch();
    for (int i = 0; i < 8; ++i) {
      const ssize_t size = ::read(from.fd.get(), buffer.data(), buffer.size());
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return;
      if (size <= 0) {
        from.watcher = FdWatcher();
        from.fd.reset();
        from.ended = true;
        if (options.on_line && !from.text.empty()) tell_line(from);
        finish_if_all_done();
        return;
      }
      take(from, as_text(ByteSpan(buffer.data(), static_cast<std::size_t>(size))));
      if (over) return;
    }
  }

  void take(Output& from, std::string_view text) {
    if (!options.on_line) {
      from.text.append(text.substr(0, options.max_output - from.text.size()));
      return;
    }
    while (!text.empty() && !over) {
      const std::size_t end = text.find('\n');
      const std::string_view piece = text.substr(0, end);
      from.text.append(piece.substr(0, kMaxLine - from.text.size()));
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
      tell_line(from);
    }
  }

  void tell_line(Output& from) {
    std::string line;
    line.swap(from.text);
    if (!over) options.on_line(line);
  }

  void write_input() {
    while (input_offset < options.input.size()) {
      // A socket and MSG_NOSIGNAL: a child that does not read must not end us with SIGPIPE.
      const ssize_t size = ::send(input_fd.get(), options.input.data() + input_offset,
                                  options.input.size() - input_offset, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (size < 0 && errno == EINTR) continue;
      if (size < 0 && errno == EAGAIN) return input_watcher.watch(FdWatcher::kWritable);
      if (size < 0) break;
      input_offset += static_cast<std::size_t>(size);
    }
    input_watcher = FdWatcher();
    input_fd.reset();
  }

  void on_process_exit(std::int64_t code, int signal) {
    exited = true;
    exit.signal = signal;
    exit.code = signal != 0 ? -1 : static_cast<int>(code);
    deadline.cancel();
    kill_timer.cancel();
    close_handle();
    if (over) return;
    output_timer.arm_in(kOutputDelay);
    finish_if_all_done();
  }

  void finish_if_all_done() {
    if (exited && output.ended && errors.ended) output_timer.arm(loop.instant());
  }

  void finish() {
    if (over) return;
    exit.output = std::move(output.text);
    exit.errors = std::move(errors.text);
    quiet();
    on_exit(std::move(exit));
  }

  void quiet() {
    over = true;
    deadline.cancel();
    output_timer.cancel();
    kill_timer.cancel();
    for (Output* from : {&output, &errors}) {
      from->watcher = FdWatcher();
      from->fd.reset();
    }
    input_watcher = FdWatcher();
    input_fd.reset();
  }

  void close_handle() {
    Handle* closing = std::exchange(handle, nullptr);
    if (closing == nullptr) return;
    closing->owner = nullptr;
    uv_close(reinterpret_cast<uv_handle_t*>(&closing->process),
             [](uv_handle_t* h) { delete static_cast<Handle*>(h->data); });
  }

  Status start();
};

Status Process::State::start() {
  if (options.argv.empty()) return Error{Errc::Malformed, 0, "program without a name"};
  int input_ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input_ends) != 0) {
    return Error{Errc::Io, errno, "socketpair"};
  }
  input_fd.reset(input_ends[0]);
  const UniqueFd child_input(input_ends[1]);
  UniqueFd child_output, child_errors;
  MYST_TRY(make_pipe(output.fd, child_output));
  MYST_TRY(make_pipe(errors.fd, child_errors));

  uv_stdio_container_t stdio[3];
  const int fds[3] = {child_input.get(), child_output.get(), child_errors.get()};
  for (int i = 0; i < 3; ++i) {
    stdio[i].flags = UV_INHERIT_FD;
    stdio[i].data.fd = fds[i];
  }
  std::vector<char*> argv = pointers(options.argv);
  std::vector<char*> environment;
  if (options.environment) environment = pointers(*options.environment);
  uv_process_options_t spawn{};
  spawn.file = argv[0];
  spawn.args = argv.data();
  spawn.env = options.environment ? environment.data() : nullptr;
  spawn.cwd = options.folder.empty() ? nullptr : options.folder.c_str();
  spawn.stdio_count = 3;
  spawn.stdio = stdio;
  spawn.exit_cb = [](uv_process_t* process, std::int64_t code, int signal) {
    auto* h = static_cast<Handle*>(process->data);
    if (h->owner != nullptr) return h->owner->on_process_exit(code, signal);
    uv_close(reinterpret_cast<uv_handle_t*>(process),
             [](uv_handle_t* closed) { delete static_cast<Handle*>(closed->data); });
  };
  handle = new Handle;
  handle->process.data = handle;
  handle->owner = this;
  const int error = uv_spawn(loop.uv(), &handle->process, &spawn);
  if (error != 0) {
    close_handle();
    return Error{error == UV_ENOENT ? Errc::NotFound : Errc::Io, -error, "start program"};
  }
  pid = handle->process.pid;
  MYST_TRY(watch(output));
  MYST_TRY(watch(errors));
  MYST_TRY_ASSIGN(input_watcher,
                  FdWatcher::open(loop, input_fd.get(), [this](unsigned) { write_input(); }));
  write_input();
  if (options.timeout) deadline.arm_in(*options.timeout);
  return {};
}

Process::Process(std::unique_ptr<State> state) : state_(std::move(state)) {}

Result<std::unique_ptr<Process>> Process::spawn(Loop& loop, Options options, OnExit on_exit) {
  std::unique_ptr<Process> process(
      new Process(std::make_unique<State>(loop, std::move(options), std::move(on_exit))));
  MYST_TRY(process->state_->start());
  return process;
}

Process::~Process() {
  state_->signal_child(SIGKILL);
  state_->quiet();
  if (state_->handle != nullptr) {
    // libuv reaps the child when it has died; until then the handle stays, without us. The loop's
    // destructor waits for it.
    state_->handle->owner = nullptr;
    state_->handle = nullptr;
  }
  Loop& loop = state_->loop;
  loop.dispose(std::move(state_));
}

int Process::pid() const { return state_->pid; }
void Process::kill(int signal) { state_->signal_child(signal); }
void Process::terminate() { state_->terminate(); }

}  // namespace myst::platform
