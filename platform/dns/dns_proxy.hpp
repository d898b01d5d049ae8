// The provider's DNS server for its consumers, on UDP and TCP: core/dns/Forwarder on real sockets.
// It listens on all addresses, because a session's DNS is redirected to whatever address its device
// has; who is not a consumer gets no answer (an open resolver is a weapon).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/dns/message.hpp"
#include "core/dns/policy.hpp"
#include "platform/loop/loop.hpp"

namespace myst::platform {

class DnsProxy {
 public:
  struct Options {
    std::uint16_t port = 11253;  // 0: the kernel chooses, UDP and TCP the same
    // Resolvers asked: the nameserver lines, read again when the file changes.
    std::string resolv_conf = "/etc/resolv.conf";
    std::uint16_t upstream_port = 53;
    core::dns::Policy policy;
    // Under a policy: make these reachable, then say whether they are. Calls back in the loop,
    // once.
    std::function<void(std::vector<core::dns::AddressRecord>, std::function<void(bool)>)>
        open_destinations;
  };
  static constexpr std::size_t kMaxClients = 1024;     // networks; full: not answered
  static constexpr std::size_t kMaxConnections = 128;  // TCP; full: closed at once

  // Io: the port is taken.
  static Result<std::unique_ptr<DnsProxy>> open(Loop& loop, Rng& rng, Options options);
  ~DnsProxy();

  Status allow(const IpPrefix& clients);
  void disallow(const IpPrefix& clients);
  std::uint16_t port() const;
  std::uint64_t answered() const;

  struct State;

 private:
  explicit DnsProxy(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
