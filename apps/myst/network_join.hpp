// Joining a network of one's own: its hub's document, fetched at start, kept on disk for starts
// while the hub is away.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "core/config/node_config.hpp"
#include "core/market/network_document.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/loop.hpp"

namespace myst::app {

// Blocks (runs the loop) until the document is there. Tries the hub for two seconds, then takes the
// copy in `cache_path`; without one keeps trying every few seconds until `stopped`. nullopt:
// stopped, or the text at the hub is no network document (logged).
std::optional<core::NetworkDocument> join_network(platform::Loop& loop, platform::HttpClient& http,
                                                  const std::string& hub_url,
                                                  const std::string& cache_path,
                                                  const std::function<bool()>& stopped);

}  // namespace myst::app
