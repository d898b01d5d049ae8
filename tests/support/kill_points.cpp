#include "tests/support/kill_points.hpp"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

namespace {

constexpr int kKilled = 77;
std::atomic<long> points_left{-1};  // below zero: never

void reach_point() {
  if (points_left.load(std::memory_order_relaxed) < 0) return;
  if (points_left.fetch_sub(1) == 0) ::_exit(kKilled);
}

template <typename Function>
Function real(const char* name) {
  return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

ssize_t write(int fd, const void* data, size_t size) {
  static const auto kReal = real<ssize_t (*)(int, const void*, size_t)>("write");
  reach_point();
  return kReal(fd, data, size);
}
// With 64-bit file offsets the headers call these two by their names with "64"; libraries that were
// built otherwise use the plain ones.
ssize_t pwrite(int fd, const void* data, size_t size, off_t at) {
  static const auto kReal = real<ssize_t (*)(int, const void*, size_t, off_t)>("pwrite64");
  reach_point();
  return kReal(fd, data, size, at);
}
int ftruncate(int fd, off_t size) noexcept {
  static const auto kReal = real<int (*)(int, off_t)>("ftruncate64");
  reach_point();
  return kReal(fd, size);
}
int fsync(int fd) {
  static const auto kReal = real<int (*)(int)>("fsync");
  reach_point();
  return kReal(fd);
}
int fdatasync(int fd) {
  static const auto kReal = real<int (*)(int)>("fdatasync");
  reach_point();
  return kReal(fd);
}
ssize_t send(int fd, const void* data, size_t size, int flags) {
  static const auto kReal = real<ssize_t (*)(int, const void*, size_t, int)>("send");
  reach_point();
  return kReal(fd, data, size, flags);
}
ssize_t sendmsg(int fd, const struct msghdr* message, int flags) {
  static const auto kReal = real<ssize_t (*)(int, const struct msghdr*, int)>("sendmsg");
  reach_point();
  return kReal(fd, message, flags);
}
ssize_t writev(int fd, const struct iovec* parts, int count) {
  static const auto kReal = real<ssize_t (*)(int, const struct iovec*, int)>("writev");
  reach_point();
  return kReal(fd, parts, count);
}
}

namespace myst::test {

RunEnd run_until_point(std::size_t n, const std::function<bool()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    points_left = static_cast<long>(n);
    const bool good = work();
    points_left = -1;
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
    return RunEnd::Failed;
  }
  switch (WEXITSTATUS(status)) {
    case 0:
      return RunEnd::Completed;
    case kKilled:
      return RunEnd::Killed;
    default:
      return RunEnd::Failed;
  }
}

void on_its_way() { (void)!::write(STDERR_FILENO, "", 0); }

void* shared_memory(std::size_t size) {
  void* out = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return out == MAP_FAILED ? nullptr : out;
}

}  // namespace myst::test
