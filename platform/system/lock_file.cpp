#include "platform/system/lock_file.hpp"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/base/text.hpp"

namespace myst::platform {

Result<LockFile> LockFile::acquire(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) return Error{Errc::Io, errno, "lock file"};
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return Error{Errc::Io, errno, "lock file"};
    char text[16];
    const ssize_t size = ::pread(fd.get(), text, sizeof text, 0);
    const auto holder =
        parse_decimal(trim(std::string_view(text, size > 0 ? static_cast<std::size_t>(size) : 0)));
    return Error{Errc::AlreadyExists, static_cast<int>(holder.value_or(0)),
                 "another program uses this data folder"};
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  // The number is a courtesy to whoever looks; the lock is what counts.
  if (::ftruncate(fd.get(), 0) == 0) (void)!::pwrite(fd.get(), pid.data(), pid.size(), 0);
  return LockFile(std::move(fd));
}

}  // namespace myst::platform
