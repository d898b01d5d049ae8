// HTTP/1.1 client, http and https. Redirects are not followed, cookies are not kept.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "platform/http/message.hpp"
#include "platform/loop/loop.hpp"
#include "platform/net/tls_trust.hpp"

namespace myst::platform {

class HttpClient {
 public:
  struct Options {
    std::string user_agent = "myst";
    Duration timeout = std::chrono::seconds{20};  // of a whole exchange, from name to last byte
    std::size_t max_response_bytes = 4 * 1024 * 1024;  // header and body
    std::size_t max_calls = 64;                        // at a time; more fail with Full
    std::shared_ptr<const TlsTrust> trust;             // null: the system's authorities
    std::optional<IpAddress> bind;                     // local address
    std::uint32_t mark = 0;                            // SO_MARK; 0: none
    // Sees every answer before its owner does; may not touch the client.
    std::function<void(const HttpResponse&)> observe;
    bool keep_alive = false;  // true: an idle connection a host is kept for 30 s
  };
  struct Call {
    std::string method = "GET";
    std::string url;
    HttpHeaders headers;  // Host, User-Agent, Content-Length and Connection are added
    std::string body;
    std::optional<Duration> timeout;
    std::optional<IpAddress> bind;
    std::optional<std::size_t> max_response_bytes;
    // Harmless when the server gets it twice, as GET is: a kept connection may then be used, which
    // may have ended without our knowing.
    bool may_repeat = false;
  };
  // Any status is an answer. Errors: Malformed (URL, response), NotFound (host name), Unavailable
  // (name service, connection ended early), Timeout, Unauthorized (certificate), Full (response too
  // long, too many calls), Io (errno).
  using Callback = std::function<void(Result<HttpResponse>)>;
  using Id = std::uint64_t;

  explicit HttpClient(Loop& loop) : HttpClient(loop, Options()) {}
  HttpClient(Loop& loop, Options options);
  ~HttpClient();  // cancels all
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Calls back exactly once, never from inside send(), unless cancelled.
  Id send(Call call, Callback callback);
  Id get(std::string url, Callback callback);
  Id post_json(std::string url, std::string body, Callback callback);
  void cancel(Id id);  // an unknown id is no error: it is done
  std::size_t calls() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace myst::platform
