// A consumer's open channel at the provider: answers its requests and lives as long as a session
// needs it, and 60 s more (reference: core/service/subscription.go, utils/reftracker).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.hpp"
#include "core/node/context.hpp"
#include "core/node/peer_link.hpp"
#include "core/node/service.hpp"
#include "core/session/provider_session.hpp"

namespace myst::core::node {

class ProviderChannel final : public ProviderSession::Host {
 public:
  class Host {
   public:
    virtual ~Host() = default;
    virtual void on_create(Now now, ProviderChannel& channel, Channel::Incoming& request) = 0;
    virtual ProviderSession* session_of(const ProviderChannel& channel) = 0;  // the latest, or none
    virtual ProviderSession* find_session(std::string_view id) = 0;
    virtual void on_report(Now now, ConnectivityRecord report) = 0;
    virtual void on_acknowledged(Now now, ProviderSession& session) = 0;
    virtual void on_allowed(Now now, ProviderChannel& channel, ProviderSession& session) = 0;
  };

  ProviderChannel(Context& context, Host& host, std::uint64_t id, std::string service_id,
                  ServiceChannel channel, Now now);
  ~ProviderChannel() override { close(); }

  std::uint64_t id() const { return id_; }
  const std::string& service_id() const { return service_id_; }
  const Address& consumer() const { return consumer_; }
  PeerLink& link() { return link_; }
  const PeerLink& link() const { return link_; }
  bool in_use() const { return sessions_ > 0; }
  void acquire() { ++sessions_; }  // a session begins
  Instant idle_since() const { return idle_since_; }

  void close();
  bool closed() const { return closed_; }
  // To be closed as soon as the consumer has answered what it was told, or at `limit`.
  void part(Instant limit) { part_by_ = limit; }
  bool parted(Now now) const {
    return part_by_ && (now.instant >= *part_by_ || link_.waiting() == 0);
  }
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;

  // ProviderSession::Host
  void on_session_allowed(Now now, ProviderSession& session) override;
  void on_session_closed(Now now, ProviderSession& session) override;
  void on_consumer_told(Now now) override;
  std::optional<SocketId> take_service_socket() override;
  std::uint16_t service_port() const override { return service_port_; }

 private:
  void on_request(Now now, Channel::Incoming& request);
  // The reply to a request that names consumer and session. The identity check comes first.
  Reply acknowledge(Now now, ByteSpan body);
  Reply report(Now now, ByteSpan body);
  Reply keep_alive(ByteSpan body) const;
  bool is_consumer(std::string_view identity) const;

  Context& context_;
  Host& host_;
  std::uint64_t id_;
  std::string service_id_;
  Address consumer_;
  PeerLink link_;
  std::optional<SocketId> service_socket_;
  std::uint16_t service_port_;
  std::uint32_t mapping_;
  std::optional<Instant> part_by_;
  int sessions_ = 0;
  std::string ended_;  // the last session that is over
  Instant idle_since_;
  bool closed_ = false;
};

}  // namespace myst::core::node
