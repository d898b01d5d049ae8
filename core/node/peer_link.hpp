// An open channel to a peer together with its socket: datagrams in and out, requests with
// continuations, requests of the peer to one handler.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/node/context.hpp"
#include "core/p2p/channel.hpp"
#include "core/p2p/peer_path.hpp"

namespace myst::core::node {

class PeerLink final : public SocketUser {
 public:
  // `text` is what the peer said about an error.
  using Answered = std::function<void(Now, Result<Bytes>&, const std::string& text)>;
  using Handler = std::function<void(Now, Channel::Incoming&)>;  // answer by reply(), now or later
  using Lost = std::function<void(Now)>;

  PeerLink(Context& context, std::unique_ptr<Channel> channel, SocketId socket,
           const Endpoint& peer);
  ~PeerLink() override { close(); }
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  void on_request(Handler handler) { handler_ = std::move(handler); }
  void on_lost(Lost lost) { lost_ = std::move(lost); }  // the peer's byte stream is broken
  // A datagram came upon a closed port where the peer is said to be. A hint, not a proof.
  void on_closed_port(Lost told);

  // An error: nothing was sent and `answered` is never called. After close() none is called either.
  Status request(Now now, EffectQueue::Owner owner, std::string_view topic, ByteSpan data,
                 Duration timeout, Answered answered);
  void forget(EffectQueue::Owner owner);  // answers to what it asked are dropped from now on
  void reply(Now now, std::uint64_t id, const Reply& reply);

  void on_datagram(Now now, SocketId socket, const Endpoint& from, ByteSpan bytes) override;
  void on_refused(Now now, const Endpoint& to) override;
  void handle_timeout(Now now);
  std::optional<Instant> next_timeout() const;
  // Events to continuations, then what there is to send to the socket. The node calls it after each
  // input for links that something happened to.
  void drain(Now now);
  bool dirty() const { return dirty_; }

  void close();  // the socket too
  bool open() const { return open_; }
  std::size_t waiting() const;  // requests of ours that somebody still wants the answer of
  const Endpoint& peer() const { return path_.peer(); }
  Instant heard() const { return heard_; }  // the last datagram that was surely the peer's

 private:
  struct Waiting {
    EffectQueue::Owner owner;
    Answered answered;
  };
  Context& context_;
  std::unique_ptr<Channel> channel_;
  SocketId socket_;
  PeerPath path_;
  Handler handler_;
  Lost lost_, closed_port_;
  Instant heard_{};
  std::map<std::uint64_t, Waiting> waiting_;  // bounded by Channel::kMaxRequests
  bool open_ = true, dirty_ = true, lost_told_ = false;
};

}  // namespace myst::core::node
