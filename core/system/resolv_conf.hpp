// /etc/resolv.conf as text (resolv.conf(5)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"

namespace myst::core {

struct ResolvConf {
  std::vector<IpAddress> servers;   // IPv6 zones are cut off; at most kMaxResolvers
  std::vector<std::string> search;  // of the last search or domain line
};
inline constexpr std::size_t kMaxResolvers = 16;

// Unknown or broken lines are skipped, as the C library does.
ResolvConf parse_resolv_conf(std::string_view text);
// Starts with a comment that says whose it is; see is_own_resolv_conf().
std::string render_resolv_conf(const ResolvConf& conf);
bool is_own_resolv_conf(std::string_view text);

}  // namespace myst::core
