// The API on a TCP port.
#pragma once

#include "drivers/rest/api.hpp"
#include "platform/http/server.hpp"

namespace myst::rest {

class Server {
 public:
  // Io with EADDRINUSE: another node runs already (the port doubles as that check).
  static Result<Server> listen(platform::Loop& loop, Api& api, const Endpoint& local);

  const Endpoint& local() const { return server_.local(); }

 private:
  explicit Server(platform::HttpServer server) : server_(std::move(server)) {}
  platform::HttpServer server_;
};

}  // namespace myst::rest
