#include "apps/myst/rest_listener.hpp"

#include <cerrno>
#include <utility>

#include "platform/system/files.hpp"

namespace myst::app {
namespace {

constexpr std::size_t kKeySize = 256;

// The key that signs tokens outlives restarts, so that dashboards stay logged in.
Result<Bytes> token_key(const std::string& path, Rng& rng) {
  const auto kept = platform::read_file(path, kKeySize);
  if (kept.ok() && kept->size() == kKeySize) return to_bytes(as_bytes(*kept));
  Bytes key(kKeySize);
  rng.fill(key);
  MYST_TRY(platform::write_file_atomically(path, as_text(key), 0600));
  return key;
}

rest::Api::Settings settings(const core::NodeConfig& config) {
  rest::Api::Settings out;
  out.allowed_hosts = config.text("tequilapi.allowed-hostnames");
  return out;
}

}  // namespace

RestListener::RestListener(platform::Loop& loop, const core::NodeConfig& config,
                           rest::NodeApi& node, const std::string& data_dir, Bytes key)
    : authenticator_(loop, data_dir + "/nodeui-pass", std::move(key)),
      api_(loop, node, authenticator_, settings(config)) {}

RestListener::~RestListener() { api_.stop(); }

std::unique_ptr<RestListener> RestListener::open(platform::Loop& loop,
                                                 const core::NodeConfig& config,
                                                 rest::NodeApi& node, const std::string& data_dir,
                                                 Rng& rng, std::string* problem) {
  const std::string text = config.text("tequilapi.address") + ":" + config.text("tequilapi.port");
  const auto local = Endpoint::parse(text);
  if (!local.ok()) {
    *problem = "tequilapi.address and tequilapi.port: '" + text + "' is no IP address and port";
    return nullptr;
  }
  auto key = token_key(data_dir + "/token-key", rng);
  if (!key.ok()) {
    *problem = "cannot write " + data_dir + "/token-key: " + key.error().what;
    return nullptr;
  }
  std::unique_ptr<RestListener> out(
      new RestListener(loop, config, node, data_dir, std::move(*key)));
  auto server = rest::Server::listen(loop, out->api_, *local);
  if (!server.ok()) {
    *problem = server.error().detail == EADDRINUSE
                   ? "the API port " + text +
                         " is in use, perhaps by another node: stop it or choose --tequilapi.port"
                   : "cannot listen on " + text + ": " + server.error().what;
    return nullptr;
  }
  out->server_.emplace(std::move(*server));
  return out;
}

}  // namespace myst::app
