// The provider's DNS forwarder: consumers' queries go to the host's resolvers, answers come back.
// Sans-IO: the owner feeds queries, answers and time, then drains the actions:
//
//   forwarder.handle_query(now, client, bytes);      forwarder.handle_answer(now, upstream, bytes);
//   while (auto action = forwarder.poll_action()) ...;   timer.arm(forwarder.next_timeout());
//
// Resolvers are asked in order, the next one when one is silent or failing; when all have failed
// the client gets SERVFAIL. Query ids are random and the question must come back as it was asked,
// so a stranger cannot answer by guessing. Under a DNS policy, the addresses of allowed names are
// opened in the firewall first: the answer waits for handle_opened().
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/dns/message.hpp"
#include "core/dns/policy.hpp"

namespace myst::core::dns {

class Forwarder {
 public:
  struct Config {
    std::vector<Endpoint> upstreams;  // at most kMaxUpstreams are used
    // The reference waits 5 s for each, longer than clients wait.
    Duration upstream_timeout = std::chrono::seconds{2};
    Policy policy;
  };
  static constexpr std::size_t kMaxUpstreams = 8;
  static constexpr std::size_t kMaxInFlight = 256;         // full: the query is dropped
  static constexpr std::size_t kMaxInFlightOfClient = 64;  // ... of one client address
  static constexpr std::size_t kMaxActions = 4 * kMaxInFlight;

  // Who asked: an address, and for TCP the owner's number of the connection (0: UDP).
  struct Client {
    Endpoint endpoint;
    std::uint64_t connection = 0;
  };
  struct SendQuery {  // by UDP; `ticket` names the query for handle_failure()
    std::uint32_t ticket;
    Endpoint upstream;
    Bytes message;
  };
  struct SendQueryTcp {  // one connection, one query, one answer
    std::uint32_t ticket;
    Endpoint upstream;
    Bytes message;
  };
  struct SendAnswer {  // the last action of a ticket
    std::uint32_t ticket;
    Client client;
    Bytes message;
  };
  struct OpenDestinations {  // then handle_opened(ticket, ...)
    std::uint32_t ticket;
    std::vector<AddressRecord> addresses;
  };
  using Action = std::variant<SendQuery, SendQueryTcp, SendAnswer, OpenDestinations>;

  Forwarder(Config config, Rng& rng) : config_(std::move(config)), rng_(rng) { trim_upstreams(); }

  // Malformed, Rejected (not a plain query), Full: dropped, nothing is answered.
  Status handle_query(Instant now, const Client& client, ByteSpan query);
  // NotFound: nobody asked that upstream this; dropped.
  Status handle_answer(Instant now, const Endpoint& upstream, ByteSpan answer);
  // The query could not be sent, or its TCP connection broke.
  void handle_failure(Instant now, std::uint32_t ticket);
  void handle_opened(std::uint32_t ticket, bool opened);
  void handle_timeout(Instant now);
  void set_upstreams(std::vector<Endpoint> upstreams);  // for queries from here on
  void set_policy(Policy policy) { config_.policy = std::move(policy); }

  std::optional<Action> poll_action();
  std::optional<Instant> next_timeout() const;
  std::size_t in_flight() const { return pending_.size(); }

 private:
  struct Pending {
    Client client;
    Bytes query;  // as the client sent it
    Question question;
    std::vector<Endpoint> upstreams;
    std::size_t next_upstream = 0;
    std::uint16_t id = 0;  // towards the upstream
    bool tcp = false;
    std::optional<Endpoint> asked;  // nullopt: the answer is here and waits to be released
    Bytes answer;
    Instant give_up_at;
  };
  void trim_upstreams();
  void ask_next(Instant now, std::uint32_t ticket, Pending& pending);
  void finish(std::uint32_t ticket, Bytes answer);
  void finish_with(std::uint32_t ticket, Rcode rcode);
  void accept(Instant now, std::uint32_t ticket, Pending& pending, ByteSpan answer);
  bool id_in_use(std::uint16_t id) const;
  void push(Action action);

  Config config_;
  Rng& rng_;
  std::map<std::uint32_t, Pending> pending_;  // by ticket, so the oldest first
  std::uint32_t next_ticket_ = 1;
  std::deque<Action> actions_;
};

}  // namespace myst::core::dns
