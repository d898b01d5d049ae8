#include "drivers/discovery/location_codec.hpp"

#include <limits>

#include "core/base/text.hpp"
#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::discovery {
namespace {

using json::Case;

constexpr std::size_t kMaxBytes = 64 * 1024;

Result<json::Document> parse(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = kMaxBytes;
  return json::Document::parse(text, limits);
}

}  // namespace

Result<LocationAnswer> read_location(std::string_view text) {
  MYST_TRY_ASSIGN(const auto document, parse(text));
  const json::Value root = document.root();
  if (!root.is_object()) return Error{Errc::Malformed, 0, "location"};
  MYST_TRY_ASSIGN(const std::string_view ip, root.get("ip", Case::Ignore).string());
  LocationAnswer out;
  MYST_TRY_ASSIGN(out.ip, IpAddress::parse(ip));
  const auto field = [&](std::string_view name) {
    return root.get(name, Case::Ignore).string_or("");
  };
  const std::int64_t asn = root.get("asn", Case::Ignore).i64_or(0);
  if (asn > 0 && asn <= std::numeric_limits<std::uint32_t>::max()) {
    out.location.asn = static_cast<std::uint32_t>(asn);
  }
  out.location.isp = field("isp");
  out.location.continent = field("continent");
  out.location.country = field("country");
  out.location.region = field("region");
  out.location.city = field("city");
  out.location.ip_type = field("node_type");
  return out;
}

std::string write_location(const LocationAnswer& answer) {
  std::string out;
  const core::ProposalLocation& location = answer.location;
  json::Writer(out)
      .begin_object()
      .member("ip", answer.ip.to_string())
      .member("asn", location.asn)
      .member("isp", location.isp)
      .member("continent", location.continent)
      .member("country", location.country)
      .member("region", location.region)
      .member("city", location.city)
      .member("node_type", location.ip_type)
      .end_object();
  return out;
}

Result<IpAddress> read_ip(std::string_view text) {
  if (text.size() > kMaxBytes) return Error{Errc::Full, 0, "IP answer"};
  if (const auto bare = IpAddress::parse(trim(text)); bare.ok()) return *bare;
  MYST_TRY_ASSIGN(const auto document, parse(text));
  MYST_TRY_ASSIGN(const std::string_view ip, document.root().get("ip", Case::Ignore).string());
  return IpAddress::parse(ip);
}

}  // namespace myst::discovery
