// The REST API of a running node on its port.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/base/rng.hpp"
#include "core/config/node_config.hpp"
#include "drivers/rest/api.hpp"
#include "drivers/rest/authenticator.hpp"
#include "drivers/rest/server.hpp"

namespace myst::app {

class RestListener {
 public:
  // nullptr: `problem` says in one sentence what to do.
  static std::unique_ptr<RestListener> open(platform::Loop& loop, const core::NodeConfig& config,
                                            rest::NodeApi& node, const std::string& data_dir,
                                            Rng& rng, std::string* problem);
  ~RestListener();

 private:
  RestListener(platform::Loop& loop, const core::NodeConfig& config, rest::NodeApi& node,
               const std::string& data_dir, Bytes key);
  rest::Authenticator authenticator_;
  rest::Api api_;
  std::optional<rest::Server> server_;
};

}  // namespace myst::app
