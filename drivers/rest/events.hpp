// GET /events/state: every client gets the whole state at once and again after each change.
#pragma once

#include <memory>
#include <vector>

#include "drivers/rest/exchange.hpp"
#include "drivers/rest/node_api.hpp"
#include "platform/loop/timer.hpp"

namespace myst::rest {

class EventStreams {
 public:
  static constexpr std::size_t kMaxClients = 16;  // one more is refused with 503

  EventStreams(platform::Loop& loop, NodeApi& node);
  ~EventStreams();

  void add(const ExchangePtr& exchange);
  void stop();
  std::size_t clients() const { return clients_.size(); }

 private:
  void changed();
  void announce();

  NodeApi* node_;
  platform::Timer timer_;
  // A client without room misses messages; it gets the newest state when it has some.
  struct Client {
    std::shared_ptr<Stream> stream;
    bool outdated = false;
  };
  std::vector<Client> clients_;
  bool watching_ = false;
};

// "data: {...}\n\n"
std::string state_message(const NodeState& state);

}  // namespace myst::rest
