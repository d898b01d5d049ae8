#include "platform/http/server_connection.hpp"

#include <time.h>

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::platform {
namespace {

// How long a client may go on talking after it was refused, before the connection is cut: cutting
// at once would reset it, and the reset can overtake the answer.
constexpr Duration kLinger = std::chrono::seconds{2};

std::string http_date(WallTime now) {
  const time_t seconds = static_cast<time_t>(unix_seconds(now));
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[40];
  const std::size_t size = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return std::string(text, size);
}

bool is_ours(std::string_view name) {
  for (const char* ours : {"Content-Length", "Transfer-Encoding", "Connection", "Date"}) {
    if (equal_ignoring_case(name, ours)) return true;
  }
  return false;
}

bool has_no_body(int status) { return status < 200 || status == 204 || status == 304; }

}  // namespace

HttpConnection::HttpConnection(Owner& owner)
    : owner_(owner),
      parser_({owner.options.max_header_bytes, owner.options.max_body_bytes}),
      timer_(owner.loop, [this] { on_timeout(); }) {}

void HttpConnection::open(std::unique_ptr<Stream> stream) {
  if (owner_.options.tls == nullptr) {
    stream_ = std::move(stream);
    return start_reading();
  }
  enter(Phase::Handshake);
  auto tls = TlsStream::accept(
      owner_.loop, std::move(stream), owner_.options.tls,
      [this](const Status& status) {
        if (!status.ok()) return close();
        stream_ = std::move(handshaking_);
        start_reading();
      },
      owner_.options.max_queued_bytes);
  if (!tls.ok()) return close();
  handshaking_ = std::move(*tls);
}

void HttpConnection::start_reading() {
  enter(Phase::Idle);
  stream_->start({[this](ByteSpan bytes) { on_data(bytes); },
                  [this](const Status& how) { on_ended(how); }, [this] { on_drained(); }});
}

void HttpConnection::enter(Phase phase) {
  phase_ = phase;
  switch (phase) {
    case Phase::Handshake:
    case Phase::Receiving:
      timer_.arm_in(owner_.options.request_timeout);
      break;
    case Phase::Idle:
      idle_since_ = owner_.loop.instant();
      timer_.arm(idle_since_ + idle_limit());
      break;
    case Phase::Sending:
      timer_.arm_in(owner_.options.write_timeout);
      break;
    case Phase::Lingering:
      timer_.arm_in(kLinger);
      break;
    case Phase::Handling:
    case Phase::Streaming:
    case Phase::Closed:
      timer_.cancel();
      break;
  }
}

Duration HttpConnection::idle_limit() const {
  // Who connects has something to say.
  return served_ ? owner_.options.idle_timeout
                 : std::min(owner_.options.idle_timeout, owner_.options.request_timeout);
}

void HttpConnection::close() {
  if (phase_ == Phase::Closed) return;
  const auto self = shared_from_this();
  enter(Phase::Closed);
  stream_.reset();
  handshaking_.reset();
  owner_.closed(*this);
  tell_gone();
}

void HttpConnection::abandon() {
  if (exchange_ == nullptr) return;
  exchange_->connection_.reset();
  exchange_ = nullptr;
}

void HttpConnection::tell_gone() {
  if (exchange_ == nullptr) return;
  ServerExchange* exchange = exchange_;
  abandon();
  const auto callback = std::move(exchange->gone_);
  if (callback) callback();  // may drop the exchange
}

void HttpConnection::on_timeout() {
  switch (phase_) {
    case Phase::Receiving:
      return refuse(408);
    case Phase::Idle:
      if (!unparsed_.empty()) return parse();  // a pipelined request, see request_done()
      return close();
    case Phase::Handshake:
    case Phase::Sending:
    case Phase::Streaming:
    case Phase::Lingering:
    case Phase::Handling:
    case Phase::Closed:
      return close();
  }
}

void HttpConnection::on_data(ByteSpan bytes) {
  if (phase_ == Phase::Lingering || phase_ == Phase::Closed) return;  // unread by anyone
  unparsed_.insert(unparsed_.end(), bytes.begin(), bytes.end());
  if (phase_ == Phase::Idle || phase_ == Phase::Receiving) return parse();
  // The next request while this one is being answered: so much and no more is kept.
  stream_->pause();
}

void HttpConnection::on_ended(const Status& how) {
  peer_ended_ = true;
  // A client may end its half and still wait for the answer, but not for a stream without end.
  const bool answer_due = phase_ == Phase::Handling || phase_ == Phase::Sending;
  if (how.ok() && answer_due) {
    keep_alive_ = false;
    return;
  }
  close();
}

void HttpConnection::parse() {
  if (parsing_) return;
  parsing_ = true;
  const auto self = shared_from_this();
  while ((phase_ == Phase::Idle || phase_ == Phase::Receiving) && !unparsed_.empty()) {
    const auto used = parser_.feed(unparsed_);
    if (!used.ok()) {
      refuse(used.error().detail);
      break;
    }
    unparsed_.erase(unparsed_.begin(), unparsed_.begin() + static_cast<std::ptrdiff_t>(*used));
    if (unparsed_.empty()) unparsed_ = Bytes();
    if (parser_.complete()) {
      handle_request();
    } else if (parser_.started() && phase_ == Phase::Idle) {
      enter(Phase::Receiving);
    }
    if (phase_ == Phase::Receiving && parser_.take_expectation()) {
      (void)stream_->write(as_bytes("HTTP/1.1 100 Continue\r\n\r\n"));
    }
  }
  parsing_ = false;
  // Blank lines before a request (RFC 9112 section 2.2) do not extend the idle time.
  if (phase_ == Phase::Idle) timer_.arm(idle_since_ + idle_limit());
}

void HttpConnection::handle_request() {
  keep_alive_ = parser_.keep_alive() && !owner_.crowded && !peer_ended_;
  http_1_1_ = parser_.http_1_1();
  HttpRequest request = parser_.take();
  request.peer = stream_->remote();
  head_only_ = request.method == "HEAD";
  served_ = true;
  enter(Phase::Handling);
  auto exchange = std::make_shared<ServerExchange>(shared_from_this());
  exchange_ = exchange.get();
  owner_.handler(std::move(request), std::move(exchange));
}

void HttpConnection::refuse(int status) {
  keep_alive_ = false;
  refused_ = true;
  head_only_ = false;
  unparsed_ = Bytes();
  phase_ = Phase::Handling;
  HttpResponse response;
  response.status = status;
  response.headers.add("Content-Type", "text/plain; charset=utf-8");
  response.body = std::string(reason_phrase(status)) + "\n";
  respond(std::move(response));
}

std::string HttpConnection::head(int status, const HttpHeaders& headers,
                                 std::optional<std::size_t> length) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " " + reason_phrase(status) + "\r\n";
  text += "Date: " + http_date(owner_.loop.now().wall) + "\r\n";
  for (const auto& field : headers.fields()) {
    if (is_ours(field.name) || !is_valid_header(field.name, field.value)) continue;
    text += field.name + ": " + field.value + "\r\n";
  }
  if (length) {
    text += "Content-Length: " + std::to_string(*length) + "\r\n";
  } else if (chunked_) {
    text += "Transfer-Encoding: chunked\r\n";
  }
  if (!keep_alive_) {
    text += "Connection: close\r\n";
  } else if (!http_1_1_) {
    text += "Connection: keep-alive\r\n";
  }
  return text + "\r\n";
}

void HttpConnection::respond(HttpResponse response) {
  if (phase_ != Phase::Handling) return;
  chunked_ = false;
  std::string text;
  if (has_no_body(response.status)) {
    text = head(response.status, response.headers, std::nullopt);
  } else {
    text = head(response.status, response.headers, response.body.size());
    if (!head_only_) text += response.body;
  }
  send(std::move(text));
}

void HttpConnection::begin_stream(int status, const HttpHeaders& headers) {
  if (phase_ != Phase::Handling) return;
  chunked_ = http_1_1_;
  if (!chunked_) keep_alive_ = false;  // its end is the connection's end
  enter(Phase::Streaming);
  // The queue is empty between requests and the head is short: this cannot be Full.
  (void)stream_->write(as_bytes(head(status, headers, std::nullopt)));
}

Status HttpConnection::write_stream(std::string_view piece) {
  if (phase_ != Phase::Streaming) return Error{Errc::InvalidState, 0, "http stream"};
  if (head_only_ || piece.empty()) return {};
  Status written;
  if (chunked_) {
    constexpr char kDigits[] = "0123456789abcdef";
    std::string size;
    for (std::size_t rest = piece.size(); rest > 0; rest >>= 4) size += kDigits[rest & 15];
    std::reverse(size.begin(), size.end());
    std::string chunk = size + "\r\n";
    chunk.append(piece);
    chunk += "\r\n";
    written = stream_->write(as_bytes(chunk));
  } else {
    written = stream_->write(as_bytes(piece));
  }
  if (stream_->queued() > 0 && !timer_.armed()) timer_.arm_in(owner_.options.write_timeout);
  if (!written.ok() && written.error().code != Errc::Full) {
    // The stream is broken; its `ended` may have been told already and then nothing else would
    // close.
    peer_ended_ = true;
    timer_.arm(owner_.loop.instant());
    return Error{Errc::InvalidState, 0, "http client gone"};
  }
  return written;
}

void HttpConnection::end_stream() {
  if (phase_ == Phase::Streaming) send(chunked_ && !head_only_ ? "0\r\n\r\n" : "");
}

void HttpConnection::send(std::string text) {
  enter(Phase::Sending);
  out_.set(std::move(text));
  pump();
}

void HttpConnection::pump() {
  if (const Status pumped = out_.pump(*stream_); !pumped.ok()) {
    // Not close(): the caller may be the handler. The loop does it next.
    timer_.arm(owner_.loop.instant());
    return;
  }
  if (out_.done() && stream_->queued() == 0) request_done();
}

void HttpConnection::on_drained() {
  if (phase_ == Phase::Sending) {
    timer_.arm_in(owner_.options.write_timeout);  // progress
    pump();
  } else if (phase_ == Phase::Streaming) {
    timer_.cancel();
    if (exchange_ != nullptr && exchange_->drained_) {
      const auto callback = exchange_->drained_;
      callback();
    }
  }
}

// All of the answer is with the kernel.
void HttpConnection::request_done() {
  if (keep_alive_ && !peer_ended_ && !owner_.crowded) {
    enter(Phase::Idle);
    stream_->resume();
    // A request that came meanwhile is parsed from the loop: we may be inside its predecessor's
    // handler.
    if (!unparsed_.empty() && !parsing_) timer_.arm(owner_.loop.instant());
    return;
  }
  stream_->finish();
  // A refused client may still be sending what nobody will read.
  if (!refused_ || peer_ended_) return close();
  unparsed_ = Bytes();
  enter(Phase::Lingering);
  stream_->resume();
}

ServerExchange::~ServerExchange() {
  gone_ = nullptr;
  if (const auto connection = detach()) {
    if (streaming_) {
      connection->end_stream();
    } else {
      connection->keep_alive_ = false;
      HttpResponse response;
      response.status = 500;
      connection->respond(std::move(response));
    }
  }
}

std::shared_ptr<HttpConnection> ServerExchange::detach() {
  if (connection_ != nullptr) connection_->exchange_ = nullptr;
  return std::move(connection_);
}

void ServerExchange::respond(HttpResponse response) {
  if (streaming_ || answered_) return;
  const auto connection = detach();
  if (connection == nullptr) return;
  answered_ = true;
  connection->respond(std::move(response));
}

void ServerExchange::begin_stream(int status, const HttpHeaders& headers) {
  if (connection_ == nullptr || streaming_) return;
  streaming_ = true;
  connection_->begin_stream(status, headers);
}

Status ServerExchange::write(std::string_view piece) {
  if (connection_ == nullptr || !streaming_) return Error{Errc::InvalidState, 0, "http stream"};
  return connection_->write_stream(piece);
}

void ServerExchange::end_stream() {
  if (!streaming_) return;
  if (const auto connection = detach()) {
    answered_ = true;
    connection->end_stream();
  }
}

void ServerExchange::on_drained(std::function<void()> callback) { drained_ = std::move(callback); }
void ServerExchange::on_gone(std::function<void()> callback) { gone_ = std::move(callback); }

}  // namespace myst::platform
