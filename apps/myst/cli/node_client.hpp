// The running node as the client commands see it: one request at a time over its REST API.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/base/time.hpp"
#include "platform/json/json.hpp"

namespace myst::app {

struct NodeAnswer {
  int status = 0;  // 0: the node was not reached, `error` says why
  std::string body;
  std::optional<json::Document> document;  // of a body that is JSON
  std::string error;

  bool ok() const { return status >= 200 && status < 300; }
  json::Value root() const { return document ? document->root() : json::Value(); }
  // For people: the envelope's detail, else its message, else what is known.
  std::string reason() const;
};

class NodeClient {
 public:
  static constexpr Duration kTimeout = std::chrono::seconds{100};
  virtual ~NodeClient() = default;
  virtual NodeAnswer call(std::string_view method, const std::string& path,
                          const std::string& body = "", Duration timeout = kTimeout) = 0;
  NodeAnswer get(const std::string& path) { return call("GET", path); }
  virtual std::string address() const = 0;  // for messages
};

// Over HTTP; each call turns its own loop until it is done.
std::unique_ptr<NodeClient> make_node_client(const std::string& address, std::int64_t port);

// One path segment or query value, percent-encoded.
std::string encode(std::string_view text);

}  // namespace myst::app
