#include "platform/system/files.hpp"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "platform/system/unique_fd.hpp"

namespace myst::platform {
namespace {

Status write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t size = ::write(fd, content.data(), content.size());
    if (size < 0) {
      if (errno == EINTR) continue;
      return Error{Errc::Io, errno, "write file"};
    }
    content.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Status write_and_rename(const std::string& temporary, const std::string& path,
                        std::string_view content, unsigned mode) {
  {
    UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
                       static_cast<mode_t>(mode)));
    if (!fd.valid()) return Error{Errc::Io, errno, "create file"};
    // Exactly the mode that was asked for, whatever the umask.
    if (::fchmod(fd.get(), static_cast<mode_t>(mode)) != 0) {
      return Error{Errc::Io, errno, "file mode"};
    }
    MYST_TRY(write_all(fd.get(), content));
    if (::fsync(fd.get()) != 0) return Error{Errc::Io, errno, "sync file"};
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return Error{Errc::Io, errno, "rename file"};
  }
  return {};
}

}  // namespace

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    return Error{errno == ENOENT ? Errc::NotFound : Errc::Io, errno, "open file"};
  }
  std::string content;
  char buffer[4096];
  for (;;) {
    const ssize_t size = ::read(fd.get(), buffer, sizeof buffer);
    if (size < 0) {
      if (errno == EINTR) continue;
      return Error{Errc::Io, errno, "read file"};
    }
    if (size == 0) return content;
    if (static_cast<std::size_t>(size) > limit - content.size()) {
      return Error{Errc::Full, 0, "file too large"};
    }
    content.append(buffer, static_cast<std::size_t>(size));
  }
}

Status write_file_atomically(const std::string& path, std::string_view content, unsigned mode) {
  const std::string temporary = path + ".new";
  (void)::unlink(temporary.c_str());  // left by a power cut
  if (const Status written = write_and_rename(temporary, path, content, mode); !written.ok()) {
    (void)::unlink(temporary.c_str());
    return written;
  }
  UniqueFd folder(::open(folder_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // The rename is done; that it is durable is what failed.
  if (!folder.valid() || ::fsync(folder.get()) != 0) return Error{Errc::Io, errno, "sync folder"};
  return {};
}

Status make_directories(const std::string& path, unsigned mode) {
  for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    if (!part.empty() && ::mkdir(part.c_str(), static_cast<mode_t>(mode)) != 0 && errno != EEXIST) {
      return Error{Errc::Io, errno, "create folder"};
    }
    if (slash == std::string::npos) break;
  }
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return Error{Errc::Io, errno, "create folder"};
  if (!S_ISDIR(info.st_mode)) return Error{Errc::Io, ENOTDIR, "create folder"};
  return {};
}

}  // namespace myst::platform
