// The broker client of a program: core/broker/nats_client on the loop's sockets. Names are resolved
// and addresses raced by platform/net/dial; TLS begins when the server asks for it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "core/base/net.hpp"
#include "core/base/rng.hpp"
#include "core/broker/nats_client.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/tls_trust.hpp"

namespace myst::nats {

using Message = core::NatsClient::Message;
using Connected = core::NatsClient::Connected;
using Disconnected = core::NatsClient::Disconnected;
using ServerError = core::NatsClient::ServerError;

class Client {
 public:
  struct Options {
    core::NatsClient::Config machine;
    std::optional<IpAddress> bind;                    // local address
    std::uint32_t mark = 0;                           // SO_MARK; 0: none
    std::shared_ptr<const platform::TlsTrust> trust;  // null: the system's authorities
  };
  // All called from the loop, never from inside a call to the client; each may destroy it.
  struct Handlers {
    std::function<void(const Connected&)> connected;
    std::function<void(const Disconnected&)> disconnected;  // failed attempts too
    std::function<void(const ServerError&)> server_error;   // such as a refused signature
  };
  using OnMessage = std::function<void(const Message&)>;
  using OnAnswer = std::function<void(Result<Bytes>)>;

  // Connects at once and for ever; nothing here fails because the broker is away. `rng` outlives
  // it.
  Client(platform::Loop& loop, Rng& rng, Options options, Handlers handlers);
  ~Client();  // at once: what is not sent yet is lost, callbacks do not come
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // As core::NatsClient: with a signer the subject is published in its signed form.
  Result<std::uint64_t> subscribe(std::string_view subject, OnMessage on_message,
                                  std::shared_ptr<const Signer> signer = nullptr);
  void unsubscribe(std::uint64_t sid);
  Status publish(std::string_view subject, ByteSpan payload,
                 std::shared_ptr<const Signer> signer = nullptr, std::string_view reply = {});
  Result<std::uint64_t> request(std::string_view subject, ByteSpan payload, Duration timeout,
                                OnAnswer on_answer, std::shared_ptr<const Signer> signer = nullptr);
  void cancel_request(std::uint64_t request);  // its callback does not come

  void set_servers(std::vector<core::BrokerAddress> servers);
  void reconnect_now();
  // Ends in good order: sends what waits (2 s at most), closes, calls back. Requests are cancelled.
  void shutdown(std::function<void()> done);

  bool connected() const;
  std::uint64_t skipped_messages() const;  // longer than the limit, or more than we could take

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace myst::nats
