#include "platform/system/resolver.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstdlib>

#include "core/base/text.hpp"
#include "core/system/resolv_conf.hpp"
#include "core/system/words.hpp"
#include "platform/system/files.hpp"
#include "platform/system/run.hpp"
#include "platform/system/system_files.hpp"

namespace myst::platform {
namespace {

constexpr std::size_t kMaxResolvConf = 64 * 1024;

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string link_target(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  const ssize_t size = ::readlink(path.c_str(), buffer.data(), buffer.size());
  return size > 0 ? std::string(buffer.data(), static_cast<std::size_t>(size)) : std::string();
}

std::string real_path(const std::string& path) {
  std::array<char, PATH_MAX> buffer;
  return ::realpath(path.c_str(), buffer.data()) != nullptr ? buffer.data() : std::string();
}

Status need_success(const Result<RunResult>& result, const char* what) {
  if (!result.ok()) return result.error();
  if (result->exit_code != 0) return Error{Errc::Rejected, result->exit_code, what};
  return {};
}

core::ResolvConf wanted_conf(const core::SetDns& change) {
  core::ResolvConf conf;
  conf.servers = change.servers;
  conf.search = change.search;
  return conf;
}

Status make_resolvectl(const core::SetDns& change) {
  const std::string program = find_program("resolvectl");
  std::vector<std::string> servers{program, "dns", change.link};
  for (const IpAddress& server : change.servers) servers.push_back(server.to_string());
  MYST_TRY(need_success(run(servers), "resolvectl dns"));
  // "~." sends every name to this link; without it other links' servers are asked as well.
  std::vector<std::string> domains{program, "domain", change.link, "~."};
  domains.insert(domains.end(), change.search.begin(), change.search.end());
  MYST_TRY(need_success(run(domains), "resolvectl domain"));
  (void)run({program, "default-route", change.link, "yes"});  // absent before systemd 240
  (void)run({program, "flush-caches"});
  return {};
}

Status make_resolvconf(const core::SetDns& change, const std::string& path) {
  const std::string program = find_program("resolvconf");
  const std::string text = core::render_resolv_conf(wanted_conf(change));
  // openresolv: -x makes it the only one, -m 0 the first. Debian's resolvconf knows neither.
  auto result = run({program, "-m", "0", "-x", "-a", change.link}, text);
  if (!result.ok() || result->exit_code != 0) result = run({program, "-a", change.link}, text);
  MYST_TRY(need_success(result, "resolvconf -a"));
  const auto now = read_file(path, kMaxResolvConf);
  if (now.ok()) {
    const auto conf = core::parse_resolv_conf(*now);
    for (const IpAddress& server : conf.servers) {
      if (server == change.servers.front() || server.is_loopback()) return {};
    }
  }
  (void)run({program, "-d", change.link});
  return Error{Errc::Rejected, 0, "resolvconf did not take the tunnel's resolver"};
}

}  // namespace

Result<std::string> Resolver::probe(const std::string& live_prior) const {
  const std::string real = real_path(path_);
  if (has(real, "/systemd/resolve/") && !find_program("resolvectl").empty()) {
    return std::string("resolvectl");
  }
  const auto content = read_file(path_, kMaxResolvConf);
  if (!content.ok() && content.error().code != Errc::NotFound) return content.error();
  const bool own = content.ok() && core::is_own_resolv_conf(*content);
  const bool managed =
      has(real, "/resolvconf/") || (content.ok() && !own && has(*content, "resolvconf"));
  if (managed && !find_program("resolvconf").empty()) return std::string("resolvconf");

  if (own && !live_prior.empty()) return live_prior;
  struct stat info {};
  const bool exists = ::lstat(path_.c_str(), &info) == 0;
  const std::string target = exists && S_ISLNK(info.st_mode) ? link_target(path_) : std::string();
  const char* kind = !exists ? "absent" : !target.empty() ? "symlink" : "regular";
  return core::encode_words({"file", kind, target, std::to_string(info.st_mode & 07777u),
                             std::to_string(info.st_uid), std::to_string(info.st_gid),
                             content.ok() ? *content : std::string()});
}

Status Resolver::make_file(const core::SetDns& change) {
  const std::string text = core::render_resolv_conf(wanted_conf(change));
  const Status status = replace_file(path_, text, 0644, ::geteuid(), ::getegid());
  if (status.ok() || status.error().code != Errc::InvalidState) return status;
  return write_in_place(path_, text);  // a bind mount, as in containers
}

Status Resolver::undo_file(const std::string& prior) {
  const auto current = read_file(path_, kMaxResolvConf);
  if (current.ok() && !core::is_own_resolv_conf(*current)) {
    // Empty: a power cut or a crash between truncating and writing in place.
    if (!current->empty()) return {};
  }
  if (!current.ok() && current.error().code != Errc::NotFound) return current.error();
  MYST_TRY_ASSIGN(const std::vector<std::string> words, core::decode_words(prior));
  if (words.size() != 7) return Error{Errc::Malformed, 0, "prior of resolv.conf"};
  const auto mode = parse_decimal(words[3]), owner = parse_decimal(words[4]),
             group = parse_decimal(words[5]);
  if (!mode || !owner || !group) return Error{Errc::Malformed, 0, "prior of resolv.conf"};
  const std::string& content = words[6];
  if (words[1] == "symlink") {
    if (!current.ok() && link_target(path_) == words[2]) return {};
    return replace_with_symlink(path_, words[2]);
  }
  if (words[1] == "absent") {
    if (::unlink(path_.c_str()) != 0 && errno != ENOENT) {
      return Error{Errc::Io, errno, "remove resolv.conf"};
    }
    return {};
  }
  const Status status = replace_file(path_, content, static_cast<mode_t>(*mode),
                                     static_cast<uid_t>(*owner), static_cast<gid_t>(*group));
  if (status.ok() || status.error().code != Errc::InvalidState) return status;
  return write_in_place(path_, content);
}

Status Resolver::make(const core::SetDns& change, const std::string& prior) {
  if (prior == "resolvectl") return make_resolvectl(change);
  if (prior == "resolvconf") return make_resolvconf(change, path_);
  return make_file(change);
}

Status Resolver::undo(const core::SetDns& change, const std::string& prior,
                      const core::SetDns* other) {
  if (prior == "resolvectl") {
    // The settings go with the link; a link or daemon that is gone took them along.
    (void)run({find_program("resolvectl"), "revert", change.link});
    return {};
  }
  if (prior == "resolvconf") {
    return need_success(run({find_program("resolvconf"), "-d", change.link}), "resolvconf -d");
  }
  if (other != nullptr) {
    const auto current = read_file(path_, kMaxResolvConf);
    if (current.ok() && core::is_own_resolv_conf(*current)) return make_file(*other);
    return {};
  }
  return undo_file(prior);
}

}  // namespace myst::platform
