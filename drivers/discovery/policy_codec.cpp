#include "drivers/discovery/policy_codec.hpp"

#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::discovery {
namespace {

constexpr std::size_t kMaxRules = 100000;

void write(json::Writer& writer, const core::AccessPolicyDocument& document) {
  writer.begin_object()
      .member("id", document.id)
      .member("title", document.title)
      .member("description", document.description)
      .key("allow")
      .begin_array();
  for (const core::AccessRule& rule : document.allow) {
    writer.begin_object().member("type", rule.type).member("value", rule.value).end_object();
  }
  writer.end_array().end_object();
}

}  // namespace

Result<core::AccessPolicyDocument> read_access_policy(std::string_view text) {
  json::Limits limits;
  limits.max_bytes = 16u << 20;
  MYST_TRY_ASSIGN(const auto document, json::Document::parse(text, limits));
  const json::Value root = document.root();
  if (!root.is_object()) return Error{Errc::Malformed, 0, "access policy"};
  core::AccessPolicyDocument out;
  out.id = root["id"].string_or("");
  if (out.id.empty()) return Error{Errc::Malformed, 0, "access policy without id"};
  out.title = root["title"].string_or("");
  out.description = root["description"].string_or("");
  const json::Value allow = root["allow"];
  if (!allow.is_nothing() && !allow.is_array()) {
    return Error{Errc::Malformed, 0, "access policy rules"};
  }
  for (const auto& [name, rule] : allow) {
    if (out.allow.size() >= kMaxRules) return Error{Errc::Full, 0, "access policy rules"};
    MYST_TRY_ASSIGN(const std::string_view type, rule["type"].string());
    MYST_TRY_ASSIGN(const std::string_view value, rule["value"].string());
    out.allow.push_back({std::string(type), std::string(value)});
  }
  return out;
}

std::string write_access_policy(const core::AccessPolicyDocument& document) {
  std::string out;
  json::Writer writer(out);
  write(writer, document);
  return out;
}

std::string write_access_policies(const std::vector<core::AccessPolicyDocument>& documents) {
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("entries").begin_array();
  for (const auto& document : documents) write(writer, document);
  writer.end_array().end_object();
  return out;
}

}  // namespace myst::discovery
