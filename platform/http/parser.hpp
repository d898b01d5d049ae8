// Bytes of a connection to HTTP messages: the bounded, socket-free half of server and client.
#pragma once

#include <http_parser.h>

#include <string>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "platform/http/message.hpp"

namespace myst::platform {

// What both directions share: fields gathered from the parser's callbacks, and their limits.
class HttpParserBase {
 public:
  struct Limits {
    std::size_t header_bytes = 16 * 1024;
    std::size_t body_bytes = 1024 * 1024;
    static constexpr std::size_t kMaxFields = 128;
  };
  HttpParserBase(const HttpParserBase&) = delete;
  HttpParserBase& operator=(const HttpParserBase&) = delete;

  bool started() const { return started_; }    // a byte of a message was seen
  bool complete() const { return complete_; }  // take() it
  bool keep_alive() const { return keep_alive_; }

 protected:
  HttpParserBase(http_parser_type type, const Limits& limits);
  virtual ~HttpParserBase() = default;
  // The bytes used: all, or those up to the end of the message. Failed: status_ says why.
  Result<std::size_t> execute(ByteSpan bytes);
  void restart();

  virtual int headers_complete() = 0;
  virtual int message_complete() = 0;
  int fail(int status);
  bool add_header_bytes(std::size_t count);

  http_parser parser_{};
  Limits limits_;
  HttpHeaders headers_;
  std::string first_line_;  // request target
  std::string body_;
  std::string field_, value_;
  bool in_value_ = false;
  bool headers_done_ = false;
  bool started_ = false;
  bool complete_ = false;
  bool keep_alive_ = false;
  std::size_t header_bytes_ = 0;
  int status_ = 0;

 private:
  struct Callbacks;
  bool finish_field();
};

class HttpRequestParser final : public HttpParserBase {
 public:
  explicit HttpRequestParser(const Limits& limits) : HttpParserBase(HTTP_REQUEST, limits) {}

  // Uses bytes up to the end of one request; then complete() and the rest waits for the next feed()
  // after take(). Malformed: error.detail is the HTTP status to answer; the connection is over.
  Result<std::size_t> feed(ByteSpan bytes);
  HttpRequest take();
  bool http_1_1() const { return http_1_1_; }
  // True once, when the client waits for "100 Continue" before it sends the body.
  bool take_expectation();

 private:
  int headers_complete() override;
  int message_complete() override;
  HttpRequest request_;
  bool http_1_1_ = false;
  bool expects_continue_ = false;
};

class HttpResponseParser final : public HttpParserBase {
 public:
  HttpResponseParser(const Limits& limits, bool of_head)
      : HttpParserBase(HTTP_RESPONSE, limits), of_head_(of_head) {}

  // Malformed, or Full: longer than the limits.
  Result<std::size_t> feed(ByteSpan bytes);
  // The connection ended; that may be the end of the body. Unavailable: it came too early.
  Status finish();
  HttpResponse take();

 private:
  int headers_complete() override;
  int message_complete() override;
  Error error() const;
  const bool of_head_;
};

}  // namespace myst::platform
