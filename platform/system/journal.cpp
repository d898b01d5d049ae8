#include "platform/system/journal.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"

namespace myst::platform {
namespace {

constexpr std::size_t kMaxJournalSize = 16 * 1024 * 1024;
constexpr std::size_t kRewriteAbove = 256 * 1024;

Status write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(fd, text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return Error{Errc::Io, errno, "write journal"};
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return {};
}

}  // namespace

std::string current_boot_id() {
  const auto boot = read_file("/proc/sys/kernel/random/boot_id", 256);
  std::string id = boot.ok() ? std::string(trim(*boot)) : std::string("unknown");
  struct stat network {};
  if (::stat("/proc/self/ns/net", &network) == 0) id += "/" + std::to_string(network.st_ino);
  return id;
}

Result<Journal> Journal::open(std::string path) {
  Journal journal;
  journal.path_ = std::move(path);
  journal.boot_id_ = current_boot_id();
  journal.fd_.reset(::open(journal.path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!journal.fd_.valid()) return Error{Errc::Io, errno, "open journal"};
  if (::flock(journal.fd_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      return Error{Errc::AlreadyExists, 0, "journal is in use by another process"};
    }
    return Error{Errc::Io, errno, "lock journal"};
  }
  MYST_TRY_ASSIGN(const std::string text, read_file(journal.path_, kMaxJournalSize));
  journal.found_ = core::read_journal(text);
  journal.size_ = text.size();
  // What is written next must not become part of a torn line.
  if (!text.empty() && text.back() != '\n') MYST_TRY(journal.append("\n", false));
  return journal;
}

Status Journal::append(std::string_view text, bool durable) {
  const Status status = write_all(fd_.get(), text);
  if (!status.ok()) {
    // Half a record is worse than none: what follows would be taken for its rest.
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(size_));
    return status;
  }
  size_ += text.size();
  if (durable && ::fdatasync(fd_.get()) != 0) return Error{Errc::Io, errno, "sync journal"};
  return {};
}

Status Journal::begin(const core::JournalEntry& entry, bool durable) {
  std::string text;
  if (size_ == 0) text = core::journal_boot_line(boot_id_);
  text += core::journal_begin_lines(entry);
  if (size_ + text.size() > kMaxJournalSize) return Error{Errc::Full, 0, "journal"};
  return append(text, durable);
}

Status Journal::undone(std::string_view label, const std::vector<core::JournalEntry>& live) {
  if (live.empty()) {
    if (::ftruncate(fd_.get(), 0) != 0) return Error{Errc::Io, errno, "empty journal"};
    size_ = 0;
    return {};
  }
  MYST_TRY(append(core::journal_undone_line(label), false));
  return size_ > kRewriteAbove ? rewrite(live) : Status{};
}

Status Journal::rewrite(const std::vector<core::JournalEntry>& live) {
  std::string text = core::journal_boot_line(boot_id_);
  for (const core::JournalEntry& entry : live) text += core::journal_begin_lines(entry);
  if (text.size() > size_ / 2) return {};  // mostly live: writing it again gains nothing
  const std::string temporary = path_ + ".new";
  UniqueFd fd(::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!fd.valid()) return Error{Errc::Io, errno, "rewrite journal"};
  // Locked before it takes the name, so that there is no moment without a lock.
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return Error{Errc::Io, errno, "lock journal"};
  MYST_TRY(write_all(fd.get(), text));
  if (::fdatasync(fd.get()) != 0 || ::rename(temporary.c_str(), path_.c_str()) != 0) {
    return Error{Errc::Io, errno, "rewrite journal"};
  }
  fd_ = std::move(fd);
  size_ = text.size();
  return {};
}

}  // namespace myst::platform
