#include "drivers/wireguard/control_socket.hpp"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>

#include "drivers/wireguard/uapi.hpp"
#include "drivers/wireguard/userspace_device.hpp"

namespace myst::wireguard {
namespace {

constexpr char kFolder[] = "/var/run/wireguard";
constexpr std::chrono::seconds kIdleLimit{30};  // of a connection

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::open(platform::Loop& loop,
                                                           UserspaceDevice& device,
                                                           const std::string& name) {
  std::unique_ptr<ControlSocket> out(new ControlSocket(loop, device));
  const std::string path = std::string(kFolder) + "/" + name + ".sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error{Errc::Malformed, 0, "device name"};
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address);
  if (::mkdir(kFolder, 0755) != 0 && errno != EEXIST) {
    return Error{Errc::Io, errno, "folder of control sockets"};
  }
  out->fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out->fd_.valid()) return Error{Errc::Unavailable, errno, "control socket"};
  platform::UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (::connect(probe.get(), generic, sizeof address) == 0 || errno == EAGAIN) {
    return Error{Errc::AlreadyExists, 0, "control socket in use"};
  }
  // It gets its name when it listens: wg(8) removes a socket that refuses it, so one that somebody
  // asks for between bind and listen would be gone for good.
  const std::string unnamed = path + ".new";
  if (unnamed.size() >= sizeof address.sun_path) return Error{Errc::Malformed, 0, "device name"};
  std::memcpy(address.sun_path, unnamed.c_str(), unnamed.size() + 1);
  (void)::unlink(unnamed.c_str());
  // Whoever connects configures the tunnel: root only.
  const mode_t before = ::umask(0077);
  const bool bound = ::bind(out->fd_.get(), generic, sizeof address) == 0;
  const int error = errno;
  ::umask(before);
  if (!bound) return Error{Errc::Io, error, "bind the control socket"};
  if (::listen(out->fd_.get(), 8) != 0 || ::rename(unnamed.c_str(), path.c_str()) != 0) {
    const Error failed{Errc::Io, errno, "control socket"};
    (void)::unlink(unnamed.c_str());
    return failed;
  }
  out->path_ = path;
  MYST_TRY_ASSIGN(out->watcher_,
                  platform::FdWatcher::open(loop, out->fd_.get(), [socket = out.get()](unsigned) {
                    socket->accept_all();
                  }));
  out->watcher_.watch(platform::FdWatcher::kReadable);
  return out;
}

ControlSocket::~ControlSocket() {
  if (!path_.empty()) (void)::unlink(path_.c_str());
}

void ControlSocket::accept_all() {
  for (;;) {
    platform::UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) return;
    // Full: who has been there longest has had the time to finish.
    if (clients_.size() >= kMaxClients) clients_.erase(clients_.begin());
    const std::uint64_t id = next_id_++;
    auto client = std::make_unique<Client>();
    auto watcher = platform::FdWatcher::open(
        loop_, fd.get(), [this, id](unsigned events) { on_client(id, events); });
    if (!watcher.ok()) return;
    client->fd = std::move(fd);
    client->watcher = std::move(*watcher);
    client->watcher.watch(platform::FdWatcher::kReadable);
    client->idle = std::make_unique<platform::Timer>(loop_, [this, id] { clients_.erase(id); });
    client->idle->arm_in(kIdleLimit);
    clients_.emplace(id, std::move(client));
  }
}

void ControlSocket::on_client(std::uint64_t id, unsigned) {
  const auto found = clients_.find(id);
  if (found == clients_.end()) return;
  if (!serve(*found->second)) clients_.erase(found);
}

bool ControlSocket::serve(Client& client) {
  bool ended = false;
  for (;;) {
    char buffer[4096];
    const ssize_t got = ::recv(client.fd.get(), buffer, sizeof buffer, 0);
    if (got > 0) {
      client.input.append(buffer, static_cast<std::size_t>(got));
      if (client.input.size() > uapi::kMaxRequest) return false;
      continue;
    }
    if (got < 0 && errno == EINTR) continue;
    ended = got == 0 || errno != EAGAIN;
    break;
  }
  for (std::size_t end; (end = client.input.find("\n\n")) != std::string::npos;) {
    const std::string_view request = std::string_view(client.input).substr(0, end + 1);
    const std::size_t first = request.find('\n');
    const auto verb = uapi::parse_verb(request.substr(0, first));
    Status status;
    if (!verb.ok()) {
      status = verb.error();
    } else if (*verb == uapi::Verb::Get) {
      client.output += uapi::format_get(device_.describe());
    } else {
      auto set = uapi::parse_set(request.substr(first + 1));
      status = set.ok() ? device_.configure(std::move(*set)) : Status(set.error());
      if (status.ok()) client.output += uapi::format_status(0);
    }
    if (!status.ok()) client.output += uapi::format_status(uapi::errno_of(status.error()));
    wipe(client.input.data(), end);  // keys pass here
    client.input.erase(0, end + 2);
  }
  while (!client.output.empty()) {
    const ssize_t put =
        ::send(client.fd.get(), client.output.data(), client.output.size(), MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    if (put < 0) return false;
    client.output.erase(0, static_cast<std::size_t>(put));
  }
  if (ended && client.output.empty()) return false;
  client.watcher.watch(client.output.empty() ? platform::FdWatcher::kReadable
                                             : platform::FdWatcher::kWritable);
  return true;
}

}  // namespace myst::wireguard
