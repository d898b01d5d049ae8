// One request and where its answer goes. Handlers keep the Exchange until they answer, which may be
// much later (a connect); the server cancels it when the client leaves, and answers then go
// nowhere.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/net.hpp"
#include "drivers/rest/node_api.hpp"
#include "platform/json/json.hpp"

namespace myst::rest {

constexpr std::size_t kMaxBody = 256 * 1024;

// What the API looks at, however it came.
struct Request {
  std::string method;  // upper-case
  std::string target;  // as sent: path and query
  std::string host, origin, authorization, cookie, forwarded_for, real_ip;
  IpAddress peer;
  std::string body;  // at most kMaxBody; the server refuses more
};

struct Response {
  int status = 200;
  std::string content_type;  // empty: no body
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  std::function<void()> sent;  // called once it has left; may be empty
};

// An endless answer: server-sent events.
class Stream {
 public:
  virtual ~Stream() = default;
  // False while a client that reads too slowly has no room; a closed stream is never ready.
  virtual bool ready() const = 0;
  // False: no room, nothing was taken.
  virtual bool write(std::string chunk) = 0;
  virtual bool closed() const = 0;
  virtual void close() = 0;
};

// The server's side of one request.
class Answerer {
 public:
  virtual ~Answerer() = default;
  virtual void answer(Response response) = 0;
  // Sends the head and keeps the body open; nullptr: the client has left.
  virtual std::shared_ptr<Stream> open_stream(Response head) = 0;
};

struct FieldFault {
  std::string field;
  std::string code;     // "required", "invalid_value", or an endpoint's own
  std::string message;  // empty for "required": "'<field>' is required"
};

class Exchange {
 public:
  Exchange(Request request, std::unique_ptr<Answerer> answerer);
  ~Exchange();  // unanswered: 500 with an empty body
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }
  const std::string& path() const { return path_; }  // decoded
  std::string_view query_text() const { return query_; }
  // The first value of a name, decoded; nullopt: not there.
  std::optional<std::string> query(std::string_view name) const;
  std::string query_or(std::string_view name, std::string_view other) const;
  bool query_flag(std::string_view name) const;           // anything but a truth word is false
  const std::string& parameter(std::size_t index) const;  // of the path pattern, decoded
  void set_parameters(std::vector<std::string> values) { parameters_ = std::move(values); }
  bool malformed() const { return malformed_; }  // broken %xx in the path

  // Each of these answers; a second answer is ignored.
  void send(Response response);
  void send_json(int status, std::string body);
  void send_empty(int status);
  void send_text(std::string text);  // text/plain; charset=utf-8
  void fail(const Failure& failure);
  void fail_parse();
  void fail_not_found(std::string_view what);
  // `headline` empty: the general one.
  void fail_validation(const std::vector<FieldFault>& faults, std::string_view headline = {});
  std::shared_ptr<Stream> open_stream();
  bool answered() const { return answered_; }

 private:
  void send_error(int status, const std::string& error_members);

  Request request_;
  std::unique_ptr<Answerer> answerer_;
  std::string path_;
  std::string_view query_;
  std::vector<std::string> parameters_;
  bool malformed_ = false;
  bool answered_ = false;
};

using ExchangePtr = std::shared_ptr<Exchange>;

// The two parts of "/a/b?c": path still encoded, query without "?".
std::pair<std::string_view, std::string_view> split_target(std::string_view target);
// %xx decoded; nullopt: broken escape or a NUL.
std::optional<std::string> decode_path(std::string_view path);

// The body of an error without the server around it, for tests.
std::string error_body(std::string_view code, std::string_view message, int status,
                       std::string_view target, const std::vector<FieldFault>* faults = nullptr,
                       std::string_view headline = {});

}  // namespace myst::rest
