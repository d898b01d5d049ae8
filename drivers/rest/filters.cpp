#include "drivers/rest/filters.hpp"

#include "core/base/text.hpp"

namespace myst::rest {
namespace {

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

HostFilter::HostFilter(std::string_view list) {
  for (const std::string_view item : split(list, ',')) {
    std::string name = to_lower(trim(item));
    if (name.size() > 1 && name.back() == '.') name.pop_back();
    if (!name.empty()) names_.push_back(std::move(name));
  }
}

bool HostFilter::allows(std::string_view header) const {
  if (header.empty()) return true;
  std::string_view name = header;
  if (name.front() == '[') {
    const std::size_t end = name.find("]:");
    if (end == std::string_view::npos) return false;
    const auto port = parse_decimal(name.substr(end + 2));
    const auto ip = IpAddress::parse(name.substr(1, end - 1));
    return port && *port <= 65535 && ip.ok() && ip->is_v6();
  }
  if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
    if (!parse_decimal(name.substr(colon + 1))) return false;
    name = name.substr(0, colon);
  }
  if (IpAddress::parse(name).ok()) return true;
  std::string wanted = to_lower(name);
  if (!wanted.empty() && wanted.back() == '.') wanted.pop_back();
  for (const std::string& allowed : names_) {
    if (allowed == ".") return true;
    if (allowed.front() == '.' ? wanted.size() > allowed.size() && ends_with(wanted, allowed)
                               : wanted == allowed) {
      return true;
    }
  }
  return false;
}

bool origin_is_ours(const Request& request) {
  return request.origin.empty() || request.origin == "http://" + request.host ||
         request.origin == "https://" + request.host;
}

bool comes_from_loopback(const Request& request) {
  if (request.peer != IpAddress::v4(127, 0, 0, 1)) return request.peer.is_loopback();
  // Only 127.0.0.1 is a trusted proxy, so the right-most entry that is not that address counts
  // (node: gin's ClientIP).
  const std::vector<std::string_view> hops = split(request.forwarded_for, ',');
  for (std::size_t i = hops.size(); i-- > 0;) {
    const auto ip = IpAddress::parse(trim(hops[i]));
    if (!ip.ok()) break;
    if (i == 0 || *ip != request.peer) return ip->is_loopback();
  }
  if (!request.real_ip.empty()) {
    const auto ip = IpAddress::parse(trim(request.real_ip));
    return ip.ok() && ip->is_loopback();
  }
  // A header that cannot be read says that somebody else stands behind the proxy.
  return request.forwarded_for.empty();
}

}  // namespace myst::rest
