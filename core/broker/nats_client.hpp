// A client of the broker: keeps one connection to one of several servers alive for ever, signs
// subjects at the moment they are sent, answers pings, matches replies to requests. Sans-IO: the
// owner (drivers/nats) dials, moves bytes, and drains:
//
//   client.handle_bytes(now, bytes);     // or handle_connected, handle_closed, handle_timeout
//   while (auto action = client.poll_action()) ...   // Dial, StartTls, Hangup: at most one is open
//   stream.write(client.take_transmit());
//   while (auto event = client.poll_event()) ...
//   timer.arm(client.next_timeout());
//
// The first connect and the first reconnect are tried at once. After a whole round over the servers
// has failed it waits 1 s, then twice as long each round up to 15 s, each time plus some random
// part.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/broker/address.hpp"
#include "core/broker/nats_protocol.hpp"
#include "core/identity/signer.hpp"

namespace myst::core {

class NatsClient {
 public:
  struct Config {
    std::vector<BrokerAddress> servers;
    std::string version = "0";
    Duration handshake_timeout = std::chrono::seconds{10};  // dial, INFO, TLS, CONNECT, PONG
    Duration ping_interval = std::chrono::seconds{10};
    int max_pings_unanswered = 2;
    Duration first_wait = std::chrono::seconds{1};
    Duration longest_wait = std::chrono::seconds{15};
    // Publishes waiting for a connection or for the socket. Real messages are below 1 KiB.
    std::size_t max_waiting_bytes = 256 * 1024;
    std::size_t max_message_bytes = 64 * 1024;  // longer ones that arrive are skipped and counted
    bool headers = true;  // false: never ask for them, even when the server offers
  };
  static constexpr std::size_t kMaxSubscriptions = 1024;
  static constexpr std::size_t kMaxRequests = 256;
  static constexpr std::size_t kMaxEvents = 4096;

  // What the owner does next. Dial: open TCP to that server, at once. StartTls: a TLS handshake on
  // the open connection, certificate checked against the host, then handle_tls_ready. Hangup: close
  // it; no handle_closed is expected afterwards, a late one does no harm.
  struct Dial {
    BrokerAddress server;
  };
  struct StartTls {
    std::string host;
  };
  struct Hangup {};
  using Action = std::variant<Dial, StartTls, Hangup>;

  struct Connected {
    BrokerAddress server;
  };
  struct Disconnected {  // also after a failed attempt: `was_connected` tells which
    BrokerAddress server;
    Error why;
    bool was_connected = false;
  };
  struct Message {
    std::uint64_t sid = 0;
    std::string subject;  // as the server names it: a gate may have rewritten it
    std::string reply;    // empty: no answer wanted
    Bytes payload;
  };
  struct Answer {  // to request(): Timeout, Unavailable (nobody is subscribed), Cancelled (close())
    std::uint64_t request = 0;
    Result<Bytes> result;
  };
  struct ServerError {  // the text of an -ERR line, such as a refused signature
    std::string text;
  };
  using Event = std::variant<Connected, Disconnected, Message, Answer, ServerError>;

  NatsClient(const Config& config, Rng& rng, Now now);

  // A signer makes the subject the signed form, anew with each connection. Full: too many.
  // Malformed: the subject. The returned number is what messages carry.
  Result<std::uint64_t> subscribe(Now now, std::string_view subject,
                                  std::shared_ptr<const Signer> signer = nullptr);
  void unsubscribe(std::uint64_t sid);  // an unknown number does no harm
  // Waits for the connection when there is none; signed when it is sent, not when it is queued.
  // Full: 256 KiB wait already, nothing was queued. Rejected: longer than the server takes.
  Status publish(Now now, std::string_view subject, ByteSpan payload,
                 std::shared_ptr<const Signer> signer = nullptr, std::string_view reply = {});
  // Exactly one Answer comes for each, at the latest after `timeout`. Errors as publish().
  Result<std::uint64_t> request(Now now, std::string_view subject, ByteSpan payload,
                                Duration timeout, std::shared_ptr<const Signer> signer = nullptr);
  void cancel_request(std::uint64_t request);  // no Answer comes
  // Ends for good: requests are answered with Cancelled, no reconnect follows. What was published
  // stays in take_transmit() and should be sent before the connection is closed.
  void close();
  // Replaces the server list; a server in use stays in use until it fails.
  void set_servers(std::vector<BrokerAddress> servers);
  // Drops the current connection and waiting time: after a change of network.
  void reconnect_now(Now now);

  void handle_connected(Now now);
  void handle_tls_ready(Now now);
  void handle_closed(Now now, const Error& why);  // also: the dial failed
  void handle_bytes(Now now, ByteSpan bytes);
  void handle_timeout(Now now);

  std::optional<Action> poll_action();
  std::optional<Event> poll_event();
  bool has_transmit() const { return !out_.empty(); }
  Bytes take_transmit();
  std::optional<Instant> next_timeout() const;

  bool connected() const { return std::holds_alternative<Online>(state_); }
  bool idle() const { return waiting_.empty() && out_.empty(); }  // everything has been handed out
  std::uint64_t skipped_messages() const { return skipped_; }

 private:
  // Waiting -> Dialing -> Greeting (INFO) [-> Securing] -> Opening (CONNECT, PING sent) -> Online
  struct Waiting {
    Instant until;
  };
  struct Dialing {
    Instant give_up_at;
  };
  struct Greeting {
    Instant give_up_at;
  };
  struct Securing {
    Instant give_up_at;
  };
  struct Opening {
    Instant give_up_at;
  };
  struct Online {
    Instant ping_at;
    Instant since;
    int unanswered = 0;
  };
  struct Closed {};
  struct Subscription {
    std::string subject;
    std::shared_ptr<const Signer> signer;
  };
  struct Publish {
    std::string subject, reply;
    Bytes payload;
    std::shared_ptr<const Signer> signer;
    std::uint64_t request;  // 0: none
    std::size_t size() const { return subject.size() + reply.size() + payload.size() + 64; }
  };
  struct Request {
    std::string token;
    Instant give_up_at;
  };

  void dial(Now now);
  void fail(Now now, const Error& why, bool hang_up);
  Status handle_line(Now now, const NatsLine& line);
  void handle_info(Now now, std::string_view json);
  void open(Now now);  // sends CONNECT and PING
  void go_online(Now now);
  void finish_message();
  void answer(std::uint64_t request, Result<Bytes> result);
  void emit(Event event);
  void send_subscription(Now now, std::uint64_t sid, const Subscription& subscription);
  void send_publish(Now now, const Publish& publish);
  Status queue_publish(Now now, Publish publish);
  void expire_requests(Instant now);
  std::string random_text(std::size_t length);
  std::string subject_for(Now now, const std::string& subject, const Signer* signer) const;

  Config config_;
  Rng& rng_;
  std::variant<Waiting, Dialing, Greeting, Securing, Opening, Online, Closed> state_;
  std::optional<NatsParser> parser_;
  NatsServerInfo info_;
  bool secure_ = false;
  std::size_t next_server_ = 0;  // into config_.servers
  std::size_t failed_in_round_ = 0;
  Duration wait_{0};
  BrokerAddress server_;            // of the current or last attempt
  std::optional<Message> message_;  // being received
  bool skip_message_ = false;
  std::size_t header_size_ = 0;

  std::uint64_t next_sid_ = 1, next_request_ = 1;
  std::uint64_t inbox_sid_ = 0;  // 0: no request was made yet
  std::string inbox_;            // "_INBOX.<22 characters>."
  std::map<std::uint64_t, Subscription> subscriptions_;
  std::map<std::uint64_t, Request> requests_;
  std::map<std::string, std::uint64_t> tokens_;
  std::deque<Publish> waiting_;  // while not online; bounded by max_waiting_bytes
  std::size_t waiting_bytes_ = 0;
  std::deque<Action> actions_;  // a Hangup and a Dial at most
  std::deque<Event> events_;    // beyond kMaxEvents messages are dropped and counted
  Bytes out_;
  std::uint64_t skipped_ = 0;
};

}  // namespace myst::core
