#include "drivers/rest/server.hpp"

namespace myst::rest {
namespace {

platform::HttpHeaders to_headers(const Response& response) {
  platform::HttpHeaders headers;
  if (!response.content_type.empty()) headers.add("Content-Type", response.content_type);
  for (const auto& [name, value] : response.headers) headers.add(name, value);
  return headers;
}

class HttpStream final : public Stream, public std::enable_shared_from_this<HttpStream> {
 public:
  explicit HttpStream(platform::HttpExchangePtr exchange) : exchange_(std::move(exchange)) {}

  void watch() {
    const std::weak_ptr<HttpStream> weak = weak_from_this();
    exchange_->on_drained([weak] {
      if (const auto self = weak.lock()) self->full_ = false;
    });
  }
  bool ready() const override { return !full_ && !closed(); }
  bool write(std::string chunk) override {
    if (closed()) return false;
    const Status written = exchange_->write(chunk);
    full_ = !written.ok() && written.error().code == Errc::Full;
    return written.ok();
  }
  bool closed() const override { return exchange_ == nullptr || exchange_->gone(); }
  void close() override {
    if (exchange_ != nullptr) exchange_->end_stream();
    exchange_ = nullptr;
  }

 private:
  platform::HttpExchangePtr exchange_;
  bool full_ = false;  // until what waits has left
};

class HttpAnswerer final : public Answerer {
 public:
  HttpAnswerer(platform::Loop& loop, platform::HttpExchangePtr exchange)
      : loop_(&loop), exchange_(std::move(exchange)) {}

  void answer(Response response) override {
    platform::HttpResponse out;
    out.status = response.status;
    out.headers = to_headers(response);
    out.body = std::move(response.body);
    exchange_->respond(std::move(out));
    // The next turn: by then the answer is in the kernel's hands.
    if (response.sent) (void)loop_->post(std::move(response.sent));
  }

  std::shared_ptr<Stream> open_stream(Response head) override {
    if (exchange_->gone()) return nullptr;
    exchange_->begin_stream(head.status, to_headers(head));
    auto stream = std::make_shared<HttpStream>(exchange_);
    stream->watch();
    return stream;
  }

 private:
  platform::Loop* loop_;
  platform::HttpExchangePtr exchange_;
};

}  // namespace

Result<Server> Server::listen(platform::Loop& loop, Api& api, const Endpoint& local) {
  platform::HttpServer::Options options;
  options.local = local;
  options.max_body_bytes = kMaxBody;
  MYST_TRY_ASSIGN(
      platform::HttpServer server,
      platform::HttpServer::listen(
          loop, options, [&loop, &api](platform::HttpRequest http, platform::HttpExchangePtr out) {
            Request request;
            request.method = std::move(http.method);
            request.target = std::move(http.path);
            if (!http.query.empty()) request.target += "?" + http.query;
            const auto take = [&](std::string_view name) {
              return std::string(http.headers.get(name));
            };
            request.host = take("Host");
            request.origin = take("Origin");
            request.authorization = take("Authorization");
            request.cookie = take("Cookie");
            request.forwarded_for = take("X-Forwarded-For");
            request.real_ip = take("X-Real-IP");
            request.peer = http.peer.ip;
            request.body = std::move(http.body);
            api.handle(std::move(request), std::make_unique<HttpAnswerer>(loop, std::move(out)));
          }));
  return Server(std::move(server));
}

}  // namespace myst::rest
