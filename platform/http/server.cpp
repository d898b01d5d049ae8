#include "platform/http/server.hpp"

#include <algorithm>
#include <vector>

#include "platform/http/server_connection.hpp"
#include "platform/net/tcp_stream.hpp"

namespace myst::platform {

struct HttpServer::State final : HttpConnection::Owner {
  State(Loop& owner, const Options& wanted, Handler call) : Owner(owner, wanted, std::move(call)) {}

  std::optional<TcpListener> listener;
  std::vector<std::shared_ptr<HttpConnection>> connections;

  void accept(std::unique_ptr<TcpStream> stream) {
    auto connection = std::make_shared<HttpConnection>(*this);
    connections.push_back(connection);
    connection->open(std::move(stream));
    if (connections.size() >= options.max_connections) make_room();
  }

  // The longest idle connection gives way to the newest; where all are busy, the backlog waits.
  void make_room() {
    crowded = true;
    HttpConnection* oldest = nullptr;
    for (const auto& connection : connections) {
      if (!connection->idle()) continue;
      if (oldest == nullptr || connection->idle_since() < oldest->idle_since()) {
        oldest = connection.get();
      }
    }
    if (oldest != nullptr) {
      oldest->close();
    } else {
      listener->pause();
    }
  }

  void closed(HttpConnection& connection) override {
    const auto at = std::find_if(connections.begin(), connections.end(),
                                 [&](const auto& c) { return c.get() == &connection; });
    if (at == connections.end()) return;
    loop.dispose(std::make_unique<std::shared_ptr<HttpConnection>>(std::move(*at)));
    connections.erase(at);
    if (crowded && listener && connections.size() < options.max_connections) {
      crowded = false;
      listener->resume();
    }
  }
};

HttpServer::HttpServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&& other) noexcept {
  HttpServer replaced(std::move(*this));
  state_ = std::move(other.state_);
  return *this;
}

HttpServer::~HttpServer() {
  if (state_ == nullptr) return;
  state_->listener.reset();
  while (!state_->connections.empty()) {
    const auto connection = state_->connections.back();
    connection->abandon();
    connection->close();
  }
  Loop& loop = state_->loop;
  loop.dispose(std::make_unique<std::shared_ptr<State>>(std::move(state_)));
}

Result<HttpServer> HttpServer::listen(Loop& loop, const Options& options, Handler handler) {
  auto state = std::make_shared<State>(loop, options, std::move(handler));
  TcpListener::Options listening;
  listening.local = options.local;
  listening.write_limit = options.tls == nullptr
                              ? options.max_queued_bytes
                              : TlsStream::inner_write_limit(options.max_queued_bytes);
  State* raw = state.get();
  auto listener = TcpListener::listen(loop, listening, [raw](std::unique_ptr<TcpStream> stream) {
    raw->accept(std::move(stream));
  });
  if (!listener.ok()) return listener.error();
  state->listener.emplace(std::move(*listener));
  return HttpServer(std::move(state));
}

const Endpoint& HttpServer::local() const { return state_->listener->local(); }
std::size_t HttpServer::connections() const { return state_->connections.size(); }

}  // namespace myst::platform
