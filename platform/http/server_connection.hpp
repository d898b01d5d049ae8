// One connection of the HTTP server; for platform/http/server*.cpp only.
#pragma once

#include <memory>
#include <string>

#include "platform/http/parser.hpp"
#include "platform/http/piece_writer.hpp"
#include "platform/http/server.hpp"
#include "platform/loop/timer.hpp"
#include "platform/net/tls_stream.hpp"

namespace myst::platform {

class ServerExchange;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // The server, as its connections see it; it outlives them all.
  struct Owner {
    Owner(Loop& l, const HttpServer::Options& o, HttpServer::Handler h)
        : loop(l), options(o), handler(std::move(h)) {}
    virtual ~Owner() = default;
    virtual void closed(HttpConnection& connection) = 0;
    Loop& loop;
    const HttpServer::Options options;
    const HttpServer::Handler handler;
    bool crowded = false;  // others wait: connections are not kept
  };

  explicit HttpConnection(Owner& owner);
  void open(std::unique_ptr<Stream> stream);
  void close();    // at once
  void abandon();  // nobody is told any more
  // Between two requests.
  bool idle() const { return phase_ == Phase::Idle && served_; }
  Instant idle_since() const { return idle_since_; }

  // From the exchange of the current request.
  void respond(HttpResponse response);
  void begin_stream(int status, const HttpHeaders& headers);
  Status write_stream(std::string_view piece);
  void end_stream();

 private:
  friend class ServerExchange;
  // Handshake -> Idle -> Receiving -> Handling -> Sending -> Idle
  //                                      \-> Streaming -^   \-> Lingering -> Closed
  enum class Phase : std::uint8_t {
    Handshake,
    Idle,  // no byte of a request yet
    Receiving,
    Handling,   // the handler has it
    Sending,    // the whole answer is known
    Streaming,  // its pieces come from the handler
    Lingering,  // all is said; the client may still be talking
    Closed,
  };

  void enter(Phase phase);
  Duration idle_limit() const;
  void start_reading();
  void on_data(ByteSpan bytes);
  void on_ended(const Status& how);
  void on_drained();
  void on_timeout();
  void parse();
  void handle_request();
  void refuse(int status);
  void send(std::string text);
  void pump();
  void request_done();
  void tell_gone();
  std::string head(int status, const HttpHeaders& headers, std::optional<std::size_t> length);

  Owner& owner_;
  Phase phase_ = Phase::Handshake;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<TlsStream> handshaking_;
  HttpRequestParser parser_;
  Bytes unparsed_;  // of the next request, while this one is being answered
  Timer timer_;
  Instant idle_since_{};
  PieceWriter out_;
  ServerExchange* exchange_ = nullptr;  // of the request in hand, while somebody holds it
  bool head_only_ = false;
  bool http_1_1_ = true;
  bool keep_alive_ = false;
  bool chunked_ = false;
  bool peer_ended_ = false;
  bool parsing_ = false;
  bool served_ = false;   // a request was handed to the handler
  bool refused_ = false;  // a request was not
};

// What the handler holds.
class ServerExchange final : public HttpExchange {
 public:
  explicit ServerExchange(std::shared_ptr<HttpConnection> connection)
      : connection_(std::move(connection)) {}
  ~ServerExchange() override;
  void respond(HttpResponse response) override;
  void begin_stream(int status, const HttpHeaders& headers) override;
  Status write(std::string_view piece) override;
  void end_stream() override;
  void on_drained(std::function<void()> callback) override;
  void on_gone(std::function<void()> callback) override;
  bool gone() const override { return connection_ == nullptr && !answered_; }

 private:
  friend class HttpConnection;
  std::shared_ptr<HttpConnection> detach();
  std::shared_ptr<HttpConnection> connection_;  // null: answered, or the client has gone
  bool answered_ = false;
  bool streaming_ = false;
  std::function<void()> drained_, gone_;
};

}  // namespace myst::platform
