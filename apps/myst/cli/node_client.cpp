#include "apps/myst/cli/node_client.hpp"

#include <cstring>

#include "core/base/net.hpp"
#include "platform/http/client.hpp"

namespace myst::app {
namespace {

std::string connection_error(const Error& error) {
  if (error.code == Errc::Io && error.detail != 0) return std::strerror(error.detail);
  if (error.code == Errc::Timeout) return "no answer in time";
  return error.what;
}

class HttpNodeClient final : public NodeClient {
 public:
  HttpNodeClient(const std::string& address, std::int64_t port)
      : host_(address.find(':') == std::string::npos ? address : "[" + address + "]"),
        port_(port),
        client_(loop_, options()) {}

  std::string address() const override { return host_ + ":" + std::to_string(port_); }

  NodeAnswer call(std::string_view method, const std::string& path, const std::string& body,
                  Duration timeout) override {
    platform::HttpClient::Call call;
    call.method = std::string(method);
    call.url = "http://" + address() + path;
    call.body = body;
    call.timeout = timeout;
    if (!body.empty()) call.headers.add("Content-Type", "application/json");
    NodeAnswer answer;
    bool done = false;
    const auto id = client_.send(std::move(call), [&](Result<platform::HttpResponse> result) {
      done = true;
      if (!result.ok()) {
        answer.error = connection_error(result.error());
        return;
      }
      answer.status = result->status;
      answer.body = std::move(result->body);
    });
    // The call ends by its own timeout; this one only guards against a clock that stands still.
    (void)loop_.run_until([&] { return done; }, timeout + std::chrono::seconds{5});
    if (!done) {
      client_.cancel(id);
      answer.error = "no answer in time";
    }
    auto document = json::Document::parse(answer.body, {kMaxAnswer, 32});
    if (document.ok()) answer.document = std::move(*document);
    return answer;
  }

 private:
  static constexpr std::size_t kMaxAnswer = 32u << 20;  // 10,000 proposals are 8 MB
  static platform::HttpClient::Options options() {
    platform::HttpClient::Options out;
    out.user_agent = "myst-cli";
    out.max_response_bytes = kMaxAnswer;
    return out;
  }
  std::string host_;
  std::int64_t port_;
  platform::Loop loop_;
  platform::HttpClient client_;
};

}  // namespace

std::string NodeAnswer::reason() const {
  if (status == 0) return error;
  const json::Value envelope = root()["error"];
  std::string text = envelope["detail"].string_or("");
  if (text.empty()) text = envelope["message"].string_or("");
  if (text.empty()) text = "the node answered with HTTP status " + std::to_string(status);
  return text;
}

std::unique_ptr<NodeClient> make_node_client(const std::string& address, std::int64_t port) {
  return std::make_unique<HttpNodeClient>(address, port);
}

std::string encode(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '.' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace myst::app
