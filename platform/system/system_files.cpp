#include "platform/system/system_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::platform {
namespace {

Error file_error(const char* what) {
  if (errno == ENOENT || errno == ENOTDIR) return {Errc::NotFound, errno, what};
  if (errno == EACCES || errno == EPERM) return {Errc::Unauthorized, errno, what};
  return {Errc::Io, errno, what};
}

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return file_error("write file");
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

void sync_folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.valid()) (void)::fsync(fd.get());
}

// Errors that mean: this name stays, its content may still be written.
Error replace_error(const char* what) {
  switch (errno) {
    case EBUSY:
    case EXDEV:
    case EROFS:
    case EACCES:
    case EPERM:
      return {Errc::InvalidState, errno, what};
    default:
      return file_error(what);
  }
}

std::string temporary_name(const std::string& path) { return path + ".myst-new"; }

}  // namespace

Status write_in_place(const std::string& path, std::string_view text) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  if (!fd.valid()) return file_error("open file");
  MYST_TRY(write_all(fd.get(), text));
  (void)::fsync(fd.get());  // kernel files cannot; others did what they could
  return {};
}

Status replace_file(const std::string& path, std::string_view text, mode_t mode, uid_t owner,
                    gid_t group) {
  const std::string temporary = temporary_name(path);
  (void)::unlink(temporary.c_str());
  {
    const UniqueFd fd(
        ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
    if (!fd.valid()) return replace_error("create file");
    Status status = write_all(fd.get(), text);
    (void)!::fchown(fd.get(), owner, group);
    if (status.ok() && (::fchmod(fd.get(), mode) != 0 || ::fsync(fd.get()) != 0)) {
      status = file_error("write file");
    }
    if (!status.ok()) {
      (void)::unlink(temporary.c_str());
      return status;
    }
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = replace_error("rename file");
    (void)::unlink(temporary.c_str());
    return error;
  }
  sync_folder_of(path);
  return {};
}

Status replace_with_symlink(const std::string& path, const std::string& target) {
  const std::string temporary = temporary_name(path);
  (void)::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0) return replace_error("create link");
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    const Error error = replace_error("rename link");
    (void)::unlink(temporary.c_str());
    return error;
  }
  sync_folder_of(path);
  return {};
}

Result<std::string> read_sysctl(const std::string& key) {
  MYST_TRY_ASSIGN(const std::string text, read_file("/proc/sys/" + key, 4096));
  return std::string(trim(text));
}

Status write_sysctl(const std::string& key, std::string_view value) {
  const UniqueFd fd(::open(("/proc/sys/" + key).c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd.valid()) return file_error("open sysctl");
  return write_all(fd.get(), value);
}

}  // namespace myst::platform
