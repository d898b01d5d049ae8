#include "platform/http/parser.hpp"

#include <climits>

#include "core/base/text.hpp"
#include "core/base/url.hpp"

namespace myst::platform {

struct HttpParserBase::Callbacks {
  static HttpParserBase& self(http_parser* parser) {
    return *static_cast<HttpParserBase*>(parser->data);
  }
  static int on_begin(http_parser* parser) {
    self(parser).started_ = true;
    return 0;
  }
  static int on_url(http_parser* parser, const char* at, std::size_t size) {
    HttpParserBase& p = self(parser);
    if (!p.add_header_bytes(size)) return p.fail(414);
    p.first_line_.append(at, size);
    return 0;
  }
  static int on_field(http_parser* parser, const char* at, std::size_t size) {
    HttpParserBase& p = self(parser);
    if (p.in_value_ && !p.finish_field()) return p.fail(431);
    if (!p.add_header_bytes(size)) return p.fail(431);
    // A trailer behind a chunked body is read and forgotten: it could overrule a checked header.
    p.field_.append(at, size);
    return 0;
  }
  static int on_value(http_parser* parser, const char* at, std::size_t size) {
    HttpParserBase& p = self(parser);
    p.in_value_ = true;
    if (!p.add_header_bytes(size)) return p.fail(431);
    p.value_.append(at, size);
    return 0;
  }
  static int on_headers_complete(http_parser* parser) {
    HttpParserBase& p = self(parser);
    if (!p.finish_field()) return p.fail(431);
    p.headers_done_ = true;
    p.keep_alive_ = http_should_keep_alive(parser) != 0;
    return p.headers_complete();
  }
  static int on_body(http_parser* parser, const char* at, std::size_t size) {
    HttpParserBase& p = self(parser);
    if (size > p.limits_.body_bytes - p.body_.size()) return p.fail(413);
    p.body_.append(at, size);
    return 0;
  }
  static int on_chunk_header(http_parser* parser) {
    // Its announced size, before any of it is stored.
    HttpParserBase& p = self(parser);
    if (parser->content_length > p.limits_.body_bytes - p.body_.size()) return p.fail(413);
    return 0;
  }
  static int on_complete(http_parser* parser) { return self(parser).message_complete(); }

  static const http_parser_settings& settings() {
    static const http_parser_settings table = [] {
      http_parser_settings s;
      http_parser_settings_init(&s);
      s.on_message_begin = on_begin;
      s.on_url = on_url;
      s.on_header_field = on_field;
      s.on_header_value = on_value;
      s.on_headers_complete = on_headers_complete;
      s.on_body = on_body;
      s.on_chunk_header = on_chunk_header;
      s.on_message_complete = on_complete;
      return s;
    }();
    return table;
  }
};

HttpParserBase::HttpParserBase(http_parser_type type, const Limits& limits) : limits_(limits) {
  http_parser_init(&parser_, type);
  parser_.data = this;
}

void HttpParserBase::restart() {
  http_parser_pause(&parser_, 0);
  headers_ = HttpHeaders();
  first_line_.clear();
  body_ = std::string();
  field_.clear();
  value_.clear();
  in_value_ = headers_done_ = started_ = complete_ = false;
  header_bytes_ = 0;
}

int HttpParserBase::fail(int status) {
  if (status_ == 0) status_ = status;
  return -1;
}

bool HttpParserBase::add_header_bytes(std::size_t count) {
  if (count > limits_.header_bytes - header_bytes_) return false;
  header_bytes_ += count;
  return true;
}

bool HttpParserBase::finish_field() {
  in_value_ = false;
  if (!field_.empty() && !headers_done_) {
    if (headers_.fields().size() == Limits::kMaxFields) return false;
    headers_.add(std::move(field_), std::string(trim(value_)));
  }
  field_.clear();
  value_.clear();
  return true;
}

Result<std::size_t> HttpParserBase::execute(ByteSpan bytes) {
  const std::string_view text = as_text(bytes);
  const std::size_t used =
      http_parser_execute(&parser_, &Callbacks::settings(), text.data(), text.size());
  switch (HTTP_PARSER_ERRNO(&parser_)) {
    case HPE_OK:
    case HPE_PAUSED:
      return used;
    case HPE_HEADER_OVERFLOW:
      fail(431);
      break;
    default:
      fail(400);
  }
  return Error{Errc::Malformed, status_, "http message"};
}

Result<std::size_t> HttpRequestParser::feed(ByteSpan bytes) {
  if (status_ != 0) return Error{Errc::Malformed, status_, "http request"};
  if (complete_) return std::size_t{0};
  return execute(bytes);
}

int HttpRequestParser::headers_complete() {
  if (parser_.http_major != 1) return fail(505);
  http_1_1_ = parser_.http_minor >= 1;
  request_ = HttpRequest();
  request_.method = http_method_str(static_cast<http_method>(parser_.method));
  if (parser_.method == HTTP_CONNECT) return fail(405);  // no proxy
  std::string_view target = first_line_;
  Url url;
  if (target.substr(0, 7) == "http://" || target.substr(0, 8) == "https://") {
    auto parsed = Url::parse(target);
    if (!parsed.ok()) return fail(400);
    url = std::move(*parsed);
    request_.path = url.path.empty() ? "/" : std::move(url.path);
    request_.query = std::move(url.query);
  } else if (target.front() == '/' || target == "*") {
    target = target.substr(0, target.find('#'));
    const std::size_t question = target.find('?');
    request_.path = target.substr(0, question);
    if (question != std::string_view::npos) request_.query = target.substr(question + 1);
  } else {
    return fail(400);
  }
  std::size_t hosts = 0;
  for (const auto& field : headers_.fields()) hosts += equal_ignoring_case(field.name, "host");
  if (hosts > 1 || (hosts == 0 && http_1_1_)) return fail(400);  // RFC 9112 section 3.2

  const bool chunked = (parser_.flags & F_CHUNKED) != 0;
  const bool sized = parser_.content_length != 0 && parser_.content_length != ULLONG_MAX;
  if (sized && parser_.content_length > limits_.body_bytes) return fail(413);
  if (const std::string* expect = headers_.find("expect")) {
    if (!equal_ignoring_case(*expect, "100-continue")) return fail(417);
    expects_continue_ = http_1_1_ && (chunked || sized);
  }
  return 0;
}

int HttpRequestParser::message_complete() {
  complete_ = true;
  // An offer to switch protocols is declined by answering; what follows cannot be told from it.
  if (parser_.upgrade != 0) keep_alive_ = false;
  http_parser_pause(&parser_, 1);
  return 0;
}

HttpRequest HttpRequestParser::take() {
  request_.headers = std::move(headers_);
  request_.body = std::move(body_);
  HttpRequest request = std::move(request_);
  request_ = HttpRequest();
  expects_continue_ = false;
  restart();
  return request;
}

bool HttpRequestParser::take_expectation() {
  const bool expects = expects_continue_ && !complete_ && body_.empty();
  expects_continue_ = false;
  return expects;
}

Error HttpResponseParser::error() const {
  if (status_ == 413 || status_ == 431) return Error{Errc::Full, 0, "http response too long"};
  return Error{Errc::Malformed, 0, "http response"};
}

Result<std::size_t> HttpResponseParser::feed(ByteSpan bytes) {
  if (status_ != 0) return error();
  if (complete_ || bytes.empty()) return std::size_t{0};
  auto used = execute(bytes);
  if (!used.ok()) return error();
  return used;
}

Status HttpResponseParser::finish() {
  if (status_ != 0) return error();
  if (complete_) return {};
  (void)execute({});
  if (complete_) return {};
  return Error{Errc::Unavailable, 0, "http connection ended early"};
}

int HttpResponseParser::headers_complete() {
  if (parser_.http_major != 1) return fail(505);
  if (parser_.status_code == 101) return fail(400);  // we never ask to switch protocols
  if (parser_.status_code < 200) return 0;
  const bool sized = parser_.content_length != 0 && parser_.content_length != ULLONG_MAX;
  if (of_head_) return 1;
  if (sized && parser_.content_length > limits_.body_bytes) return fail(413);
  return 0;
}

int HttpResponseParser::message_complete() {
  if (parser_.status_code < 200) {
    // 100 Continue and the like: the answer proper follows. The header budget is not renewed.
    headers_ = HttpHeaders();
    headers_done_ = false;
    return add_header_bytes(64) ? 0 : fail(431);
  }
  complete_ = true;
  if (parser_.upgrade != 0) keep_alive_ = false;
  http_parser_pause(&parser_, 1);
  return 0;
}

HttpResponse HttpResponseParser::take() {
  HttpResponse response;
  response.status = static_cast<int>(parser_.status_code);
  response.headers = std::move(headers_);
  response.body = std::move(body_);
  restart();
  return response;
}

}  // namespace myst::platform
