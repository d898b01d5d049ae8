// /var/run/wireguard/<name>.sock: where `wg` asks and configures a userspace device.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "core/base/result.hpp"
#include "platform/loop/fd_watcher.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/timer.hpp"
#include "platform/system/unique_fd.hpp"

namespace myst::wireguard {

class UserspaceDevice;

class ControlSocket {
 public:
  static constexpr std::size_t kMaxClients = 8;  // more wait in the kernel's backlog

  // AlreadyExists: somebody answers there. A socket nobody listens to is a leftover and replaced.
  static Result<std::unique_ptr<ControlSocket>> open(platform::Loop& loop, UserspaceDevice& device,
                                                     const std::string& name);
  ~ControlSocket();  // removes the socket file
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  struct Client {
    platform::UniqueFd fd;
    platform::FdWatcher watcher;
    std::unique_ptr<platform::Timer> idle;
    std::string input, output;
  };
  ControlSocket(platform::Loop& loop, UserspaceDevice& device) : loop_(loop), device_(device) {}
  void accept_all();
  void on_client(std::uint64_t id, unsigned events);
  bool serve(Client& client);  // false: over

  platform::Loop& loop_;
  UserspaceDevice& device_;
  std::string path_;
  platform::UniqueFd fd_;
  platform::FdWatcher watcher_;
  std::uint64_t next_id_ = 1;
  std::map<std::uint64_t, std::unique_ptr<Client>> clients_;
};

}  // namespace myst::wireguard
