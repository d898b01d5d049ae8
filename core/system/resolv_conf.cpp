#include "core/system/resolv_conf.hpp"

#include "core/base/text.hpp"

namespace myst::core {
namespace {

constexpr std::string_view kOwnFirstLine =
    "# Written by myst for its tunnel; the file found before";
constexpr std::size_t kMaxSearchDomains = 32;

// Words of a line between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (!(line = trim(line)).empty()) {
    const std::string_view word = line.substr(0, line.find_first_of(" \t"));
    words.push_back(word);
    line = line.substr(word.size());
  }
  return words;
}

}  // namespace

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf out;
  for (const std::string_view line : split(text, '\n')) {
    if (!line.empty() && (line[0] == '#' || line[0] == ';')) continue;
    const auto words = words_of(line);
    if (words.size() < 2) continue;
    if (words[0] == "nameserver") {
      const auto server = IpAddress::parse(words[1].substr(0, words[1].find('%')));
      if (server.ok() && out.servers.size() < kMaxResolvers) out.servers.push_back(*server);
    } else if (words[0] == "search" || words[0] == "domain") {
      out.search.clear();
      for (std::size_t i = 1; i < words.size() && out.search.size() < kMaxSearchDomains; ++i) {
        out.search.emplace_back(words[i]);
      }
    }
  }
  return out;
}

std::string render_resolv_conf(const ResolvConf& conf) {
  std::string out(kOwnFirstLine);
  out += "\n# comes back when the tunnel goes down.\n";
  if (!conf.search.empty()) {
    out += "search";
    for (const std::string& domain : conf.search) out += " " + domain;
    out += "\n";
  }
  for (const IpAddress& server : conf.servers) out += "nameserver " + server.to_string() + "\n";
  return out;
}

bool is_own_resolv_conf(std::string_view text) {
  return text.substr(0, kOwnFirstLine.size()) == kOwnFirstLine;
}

}  // namespace myst::core
