// Who may ask at all. The API has no password on its own port: everything rests on these three
// (DNS rebinding, foreign web pages, requests that came through a proxy).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "drivers/rest/exchange.hpp"

namespace myst::rest {

// Host names the API answers to, from `tequilapi.allowed-hostnames`: `name` matches exactly,
// `.name` its sub-domains at any depth, `.` everything. Literal addresses always pass, an IPv6 one
// with its port only; so does a missing Host.
class HostFilter {
 public:
  explicit HostFilter(std::string_view list);
  bool allows(std::string_view host_header) const;

 private:
  std::vector<std::string> names_;
};

// No Origin, or the one this request was sent to.
bool origin_is_ours(const Request& request);

// Whether the client sits on this machine. Behind a proxy on 127.0.0.1 what it forwards counts.
bool comes_from_loopback(const Request& request);

}  // namespace myst::rest
