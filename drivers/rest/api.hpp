// The API without a server around it: requests in, answers out. One Api serves every listener. It
// must outlive the operations it asked of the node: their Done calls come back to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/span.hpp"
#include "drivers/rest/authenticator.hpp"
#include "drivers/rest/events.hpp"
#include "drivers/rest/exchange.hpp"
#include "drivers/rest/filters.hpp"
#include "drivers/rest/node_api.hpp"

namespace myst::rest {

class Api {
 public:
  struct Settings {
    std::string allowed_hosts = ".localhost, localhost, .localdomain";
    bool secured = false;  // every request needs a token (embedded provider builds)
  };
  Api(platform::Loop& loop, NodeApi& node, Authenticator& authenticator, Settings settings);

  void handle(Request request, std::unique_ptr<Answerer> answerer);
  // Ends the event streams; the owner then closes its listeners.
  void stop();

  NodeApi& node() { return *node_; }
  Authenticator& authenticator() { return *authenticator_; }
  EventStreams& events() { return events_; }
  platform::Loop& loop() { return *loop_; }

 private:
  bool has_valid_token(Exchange& exchange);

  platform::Loop* loop_;
  NodeApi* node_;
  Authenticator* authenticator_;
  Settings settings_;
  HostFilter hosts_;
  EventStreams events_;
};

using Handler = void (*)(Api& api, const ExchangePtr& exchange);

struct Route {
  std::string_view method;
  std::string_view path;  // parameters as {name}
  Handler handler;
  bool open = false;  // needs no token in secured mode
};

// Static parts come before parameters, so the first match is the right one.
Span<const Route> routes();
// The route of a path, its parameters filled in; nullptr: none.
const Route* find_route(std::string_view method, std::string_view path,
                        std::vector<std::string>* parameters);

}  // namespace myst::rest
