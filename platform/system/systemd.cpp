#include "platform/system/systemd.hpp"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "core/base/text.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {

Status systemd_notify(std::string_view state) {
  const char* path = ::getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return {};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t size = std::strlen(path);
  if (size >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@')) {
    return Error{Errc::Malformed, 0, "NOTIFY_SOCKET"};
  }
  std::memcpy(address.sun_path, path, size);
  if (path[0] == '@') address.sun_path[0] = '\0';  // the abstract name space
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return Error{Errc::Io, errno, "notify socket"};
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  if (::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
               reinterpret_cast<const sockaddr*>(&address), length) < 0) {
    return Error{Errc::Io, errno, "notify systemd"};
  }
  return {};
}

std::optional<Duration> systemd_watchdog_interval() {
  const char* interval = ::getenv("WATCHDOG_USEC");
  if (interval == nullptr) return std::nullopt;
  if (const char* pid = ::getenv("WATCHDOG_PID")) {
    const auto number = parse_decimal(pid);
    if (!number || *number != static_cast<std::uint64_t>(::getpid())) return std::nullopt;
  }
  const auto microseconds = parse_decimal(interval);
  constexpr std::uint64_t kYear = 365ull * 86400 * 1000000;
  if (!microseconds || *microseconds == 0 || *microseconds > kYear) return std::nullopt;
  return std::chrono::microseconds(*microseconds);
}

SystemdWatchdog::SystemdWatchdog(Loop& loop)
    : period_(systemd_watchdog_interval()), timer_(loop, [this] { tell(); }) {
  if (period_) {
    *period_ /= 2;  // as sd_watchdog_enabled(3) recommends
    tell();
  }
}

void SystemdWatchdog::tell() {
  (void)systemd_notify("WATCHDOG=1");
  timer_.arm_in(*period_);
}

}  // namespace myst::platform
