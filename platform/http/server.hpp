// HTTP/1.1 server: keep-alive, one request of a connection at a time, answers now or later,
// streams.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "platform/http/message.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/tls_trust.hpp"

namespace myst::platform {

// One request's answer. Held (shared) by whoever will give it; dropped unanswered it becomes a 500.
// When the client has gone, everything is accepted and forgotten.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;
  virtual void respond(HttpResponse response) = 0;  // once; after begin_stream() not at all

  // An answer of unknown length (server-sent events, large lists), sent as it is written.
  virtual void begin_stream(int status, const HttpHeaders& headers) = 0;
  // Full: the client reads too slowly and nothing was taken. InvalidState: it has gone.
  virtual Status write(std::string_view piece) = 0;
  virtual void end_stream() = 0;                                // also by dropping the exchange
  virtual void on_drained(std::function<void()> callback) = 0;  // what was written is on its way
  // The client went before the answer was complete. Not called from inside a call to the exchange.
  virtual void on_gone(std::function<void()> callback) = 0;
  virtual bool gone() const = 0;
};
using HttpExchangePtr = std::shared_ptr<HttpExchange>;

class HttpServer {
 public:
  struct Options {
    Endpoint local;
    std::size_t max_connections = 64;           // more wait in the kernel's backlog
    std::size_t max_header_bytes = 16 * 1024;   // else 431 (414 when it is the request line)
    std::size_t max_body_bytes = 1024 * 1024;   // else 413
    std::size_t max_queued_bytes = 256 * 1024;  // of a stream to a slow client
    Duration request_timeout =
        std::chrono::seconds{15};                       // first byte to last of a request; else 408
    Duration idle_timeout = std::chrono::seconds{60};   // between requests
    Duration write_timeout = std::chrono::seconds{30};  // no progress sending an answer
    std::shared_ptr<const TlsIdentity> tls;             // null: plain
  };
  // Answers at once or keeps the exchange for later. HEAD arrives as HEAD; the body of its answer
  // is counted and not sent.
  using Handler = std::function<void(HttpRequest, HttpExchangePtr)>;

  static Result<HttpServer> listen(Loop& loop, const Options& options, Handler handler);
  HttpServer(HttpServer&&) noexcept;
  HttpServer& operator=(HttpServer&&) noexcept;
  ~HttpServer();  // closes all connections; exchanges that are still held turn `gone`

  const Endpoint& local() const;
  std::size_t connections() const;

  struct State;

 private:
  explicit HttpServer(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace myst::platform
