// The provider half of a node: running services, the channels consumers have opened to them, and
// the sessions on those (reference: core/service/manager.go, session_manager.go, session_pool.go).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/node/context.hpp"
#include "core/node/node_config.hpp"
#include "core/node/provider_channel.hpp"
#include "core/node/service.hpp"
#include "core/session/provider_session.hpp"

namespace myst::core::node {

class Provider final : public Service::Host, public ProviderChannel::Host {
 public:
  explicit Provider(Context& context) : context_(context) {}
  ~Provider() override;
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;

  Result<std::string> start_service(Now now, const StartService& request);
  Status stop_service(Now now, std::string_view id, bool by_request);
  void stop_all(Now now);
  bool idle() const { return services_.empty() && channels_.empty() && sessions_.empty(); }

  void handle_broker_connected(Now now);
  void handle_registered(Now now, const Address& identity);
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;
  void settle(Now now);  // after each input: drains channels, removes what has ended

  const std::map<std::string, std::unique_ptr<Service>>& services() const { return services_; }
  std::vector<SessionRecord> sessions() const;
  std::size_t sessions_of(std::string_view service_id) const;
  std::vector<ConnectivityRecord> connectivity(WallTime now) const;

  // Service::Host
  void on_channel(Now now, Service& service, ServiceChannel channel) override;
  // ProviderChannel::Host
  void on_create(Now now, ProviderChannel& channel, Channel::Incoming& request) override;
  ProviderSession* session_of(const ProviderChannel& channel) override;
  ProviderSession* find_session(std::string_view id) override;
  void on_report(Now now, ConnectivityRecord report) override;
  void on_acknowledged(Now now, ProviderSession& session) override;
  void on_allowed(Now now, ProviderChannel& channel, ProviderSession& session) override;

 private:
  struct Entry {
    std::unique_ptr<ProviderSession> session;
    std::uint64_t channel;
  };
  bool make_room_for_channel(Now now);

  Context& context_;
  std::map<std::string, std::unique_ptr<Service>> services_;
  std::map<std::uint64_t, std::unique_ptr<ProviderChannel>> channels_;
  std::map<std::uint64_t, Entry> sessions_;  // in order of creation
  std::vector<ConnectivityRecord> reports_;  // oldest first
  std::uint64_t next_channel_ = 1, next_session_ = 1;
};

}  // namespace myst::core::node
