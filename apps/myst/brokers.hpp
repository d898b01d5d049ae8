// Broker connections of a node: its own, kept for ever, and one for each dial. A dial whose
// provider sits on a broker we are connected to already shares that connection.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/span.hpp"
#include "core/node/effects.hpp"
#include "drivers/nats/client.hpp"
#include "platform/loop/loop.hpp"

namespace myst::app {

class Brokers {
 public:
  struct Config {
    std::vector<core::BrokerAddress> servers;
    std::string version;
  };
  struct Handlers {
    std::function<void()> connected;  // the own one, each time
    std::function<void(const std::string& server, const Error& why, bool was_connected)> lost;
    std::function<void(const std::string& text)> refused;  // an -ERR of the server
    std::function<void(core::node::BrokerId, std::uint32_t tag, std::string_view reply,
                       ByteSpan payload)>
        message;
  };
  using Done = std::function<void(Status)>;
  using Answer = std::function<void(Result<Bytes>)>;

  Brokers(platform::Loop& loop, Rng& rng, Config config, Handlers handlers);

  void open(const core::node::BrokerOpen& request, Done done);
  void close(core::node::BrokerId broker);
  void subscribe(const core::node::BrokerSubscribe& request);
  void unsubscribe(core::node::BrokerId broker, std::uint32_t tag);
  Status publish(const core::node::BrokerPublish& request);
  void request(const core::node::BrokerRequest& request, Answer answer);
  // Unavailable when the own connection is down: an announcement must not wait and grow old.
  Status publish_signed(std::string_view subject, ByteSpan payload,
                        std::shared_ptr<const Signer> signer);

  // The default route is another one now: a connection made over the old one is dead, even where
  // nobody says so for half a minute.
  void path_changed() { own_->reconnect_now(); }
  bool connected() const { return own_->connected(); }
  const std::vector<core::BrokerAddress>& servers() const { return config_.servers; }
  // Sends what waits (2 s at most), then calls back.
  void shutdown(std::function<void()> done) { own_->shutdown(std::move(done)); }

 private:
  struct Link {
    std::unique_ptr<nats::Client> client;  // null: shares the own connection
    std::map<std::uint32_t, std::uint64_t> tags;
    Done waiting;  // for the first connect
  };
  nats::Client* client(core::node::BrokerId broker);
  std::unique_ptr<nats::Client> make_client(std::vector<core::BrokerAddress> servers,
                                            nats::Client::Handlers handlers);

  platform::Loop& loop_;
  Rng& rng_;
  Config config_;
  Handlers handlers_;
  std::map<core::node::BrokerId, Link> links_;
  std::unique_ptr<nats::Client> own_;
};

}  // namespace myst::app
