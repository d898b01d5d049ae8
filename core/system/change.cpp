#include "core/system/change.hpp"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "core/base/text.hpp"
#include "core/system/words.hpp"

namespace myst::core {
namespace {

constexpr std::size_t kMaxLinkName = 15;   // IFNAMSIZ without the closing zero
constexpr std::size_t kMaxChainName = 28;  // XT_EXTENSION_MAXNAMELEN without the closing zero
constexpr std::size_t kMaxArguments = 64;
constexpr std::size_t kMaxArgumentLength = 256;
constexpr std::size_t kMaxSearchDomains = 32;

bool is_word(std::string_view text, std::size_t max) {
  return !text.empty() && text.size() <= max && std::all_of(text.begin(), text.end(), [](char c) {
    return c > ' ' && c < 0x7f && c != '"' && c != '\'' && c != '\\' && c != '#';
  });
}

bool is_link(std::string_view name) {
  return is_word(name, kMaxLinkName) && name != "." && name != ".." &&
         name.find('/') == std::string_view::npos && name.find(':') == std::string_view::npos;
}

// A chain may not look like an option or a policy line to iptables-restore.
bool is_chain(std::string_view name) {
  return is_word(name, kMaxChainName) && name[0] != '-' && name[0] != ':' && name[0] != '*' &&
         name[0] != '!';
}

Status need(bool condition, const char* what) {
  if (condition) return {};
  return Error{Errc::Malformed, 0, what};
}

Status check_one(const OwnLink& c) { return need(is_link(c.link), "link name"); }
Status check_one(const SetLinkUp& c) { return need(is_link(c.link), "link name"); }
Status check_one(const SetLinkMtu& c) {
  return need(is_link(c.link) && c.mtu_bytes >= 68 && c.mtu_bytes <= 65535, "link MTU");
}
Status check_one(const AddAddress& c) { return need(is_link(c.link), "link name"); }
Status check_one(const AddRoute& c) {
  MYST_TRY(need(c.link.empty() || is_link(c.link), "link name"));
  MYST_TRY(need(!c.link.empty() || c.gateway.has_value(), "route without link and gateway"));
  return need(!c.gateway || c.gateway->is_v4() == c.destination.ip.is_v4(), "gateway family");
}
Status check_one(const AddRule& c) {
  const bool v4 = c.family == IpFamily::V4;
  MYST_TRY(need(!c.from || c.from->ip.is_v4() == v4, "rule source family"));
  return need(!c.to || c.to->ip.is_v4() == v4, "rule destination family");
}
Status check_one(const IptablesChain& c) {
  return need(is_chain(c.chain) && is_chain(c.table), "chain name");
}
Status check_one(const IptablesRule& c) {
  MYST_TRY(need(is_chain(c.chain) && is_chain(c.table), "chain name"));
  MYST_TRY(need(!c.args.empty() && c.args.size() <= kMaxArguments, "rule arguments"));
  return need(std::all_of(c.args.begin(), c.args.end(),
                          [](const std::string& a) { return is_word(a, kMaxArgumentLength); }),
              "rule argument");
}
Status check_one(const SetSysctl& c) {
  MYST_TRY(need(is_word(c.key, 128) && c.key[0] != '/', "sysctl key"));
  for (const std::string_view part : split(c.key, '/')) {
    MYST_TRY(need(!part.empty() && part != "." && part != "..", "sysctl key"));
  }
  return need(is_word(c.value, 64), "sysctl value");
}
Status check_one(const SetDns& c) {
  MYST_TRY(need(is_link(c.link), "link name"));
  MYST_TRY(need(!c.servers.empty() && c.servers.size() <= kMaxDnsServers, "resolver count"));
  MYST_TRY(need(c.search.size() <= kMaxSearchDomains, "search domains"));
  return need(std::all_of(c.search.begin(), c.search.end(),
                          [](const std::string& d) { return is_word(d, 253) && d[0] != '-'; }),
              "search domain");
}
Status check_one(const ShapeLink& c) { return need(is_link(c.link), "link name"); }
Status check_one(const SharedRate& c) {
  return need(is_link(c.queue) && c.bytes_per_second >= 1000, "shared rate");
}
Status check_one(const JoinSharedRate& c) {
  return need(is_link(c.link) && is_link(c.queue), "link name");
}
Status check_one(const SessionRate& c) {
  MYST_TRY(need(is_link(c.queue), "link name"));
  MYST_TRY(need(c.network.ip.is_v4() && c.network.length >= 24, "network of a session's rate"));
  return need(c.bytes_per_second >= 1000, "session rate");
}

// Writing: each alternative appends its words; reading takes them in the same order.
using Words = std::vector<std::string>;

const char* family_word(IpFamily family) { return family == IpFamily::V4 ? "4" : "6"; }
template <typename T>
std::string optional_word(const std::optional<T>& value) {
  return value ? value->to_string() : std::string();
}

void write(Words& out, const OwnLink& c) { out.insert(out.end(), {"own-link", c.link}); }
void write(Words& out, const SetLinkUp& c) { out.insert(out.end(), {"link-up", c.link}); }
void write(Words& out, const SetLinkMtu& c) {
  out.insert(out.end(), {"link-mtu", c.link, std::to_string(c.mtu_bytes)});
}
void write(Words& out, const AddAddress& c) {
  out.insert(out.end(), {"address", c.link, c.address.to_string()});
}
void write(Words& out, const AddRoute& c) {
  out.insert(out.end(), {"route", c.destination.to_string(), optional_word(c.gateway), c.link,
                         std::to_string(c.table), std::to_string(c.metric)});
}
void write(Words& out, const AddRule& c) {
  out.insert(out.end(),
             {"rule", family_word(c.family), std::to_string(c.priority), std::to_string(c.table),
              optional_word(c.from), optional_word(c.to), std::to_string(c.mark)});
}
void write(Words& out, const IptablesChain& c) {
  out.insert(out.end(), {"chain", family_word(c.family), c.table, c.chain});
}
void write(Words& out, const IptablesRule& c) {
  out.insert(out.end(), {"iptables", family_word(c.family), c.table, c.chain,
                         std::to_string(c.position), std::to_string(c.args.size())});
  out.insert(out.end(), c.args.begin(), c.args.end());
}
void write(Words& out, const SetSysctl& c) { out.insert(out.end(), {"sysctl", c.key, c.value}); }
void write(Words& out, const SetDns& c) {
  out.insert(out.end(), {"dns", c.link, std::to_string(c.servers.size())});
  for (const IpAddress& server : c.servers) out.push_back(server.to_string());
  out.push_back(std::to_string(c.search.size()));
  out.insert(out.end(), c.search.begin(), c.search.end());
}
void write(Words& out, const ShapeLink& c) { out.insert(out.end(), {"shape-link", c.link}); }
void write(Words& out, const SharedRate& c) {
  out.insert(out.end(), {"shared-rate", c.queue, std::to_string(c.bytes_per_second)});
}
void write(Words& out, const JoinSharedRate& c) {
  out.insert(out.end(), {"redirect", c.link, c.queue});
}
void write(Words& out, const SessionRate& c) {
  out.insert(out.end(), {"session-rate", c.queue, c.network.to_string(),
                         std::to_string(c.bytes_per_second), c.shared ? "1" : "0"});
}

// Takes words from the front; the first error sticks and is asked for once at the end.
class Reader {
 public:
  explicit Reader(const Words& words) : words_(words) {}
  std::string text() {
    if (at_ >= words_.size()) {
      failed_ = true;
      return {};
    }
    return words_[at_++];
  }
  template <typename T>
  T number() {
    const auto value = parse_decimal(text());
    if (!value || *value > std::numeric_limits<T>::max()) {
      failed_ = true;
      return 0;
    }
    return static_cast<T>(*value);
  }
  std::vector<std::string> list(std::size_t max) {
    const auto count = number<std::uint32_t>();
    std::vector<std::string> out;
    if (count > max) failed_ = true;
    for (std::uint32_t i = 0; i < count && !failed_; ++i) out.push_back(text());
    return out;
  }
  IpFamily family() {
    const std::string word = text();
    if (word != "4" && word != "6") failed_ = true;
    return word == "6" ? IpFamily::V6 : IpFamily::V4;
  }
  template <typename T>
  T parsed() {
    auto value = T::parse(text());
    if (value.ok()) return *value;
    failed_ = true;
    return {};
  }
  template <typename T>
  std::optional<T> maybe_parsed() {
    if (at_ < words_.size() && words_[at_].empty()) {
      ++at_;
      return std::nullopt;
    }
    return parsed<T>();
  }
  bool failed() const { return failed_; }
  bool at_end() const { return at_ == words_.size(); }

 private:
  const Words& words_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

SetDns read_dns(Reader& in) {
  SetDns c;
  c.link = in.text();
  for (const std::string& word : in.list(kMaxDnsServers)) {
    const auto server = IpAddress::parse(word);
    if (!server.ok()) return {};  // no server: refused by check()
    c.servers.push_back(*server);
  }
  c.search = in.list(kMaxSearchDomains);
  return c;
}

Result<Change> read_change(Reader& in) {
  // Braces evaluate left to right, so the words are taken in the order they were written.
  const std::string kind = in.text();
  if (kind == "own-link") return Change{OwnLink{in.text()}};
  if (kind == "link-up") return Change{SetLinkUp{in.text()}};
  if (kind == "link-mtu") return Change{SetLinkMtu{in.text(), in.number<std::uint32_t>()}};
  if (kind == "address") return Change{AddAddress{in.text(), in.parsed<IpPrefix>()}};
  if (kind == "route") {
    return Change{AddRoute{in.parsed<IpPrefix>(), in.maybe_parsed<IpAddress>(), in.text(),
                           in.number<std::uint32_t>(), in.number<std::uint32_t>()}};
  }
  if (kind == "rule") {
    return Change{AddRule{in.family(), in.number<std::uint32_t>(), in.number<std::uint32_t>(),
                          in.maybe_parsed<IpPrefix>(), in.maybe_parsed<IpPrefix>(),
                          in.number<std::uint32_t>()}};
  }
  if (kind == "chain") return Change{IptablesChain{in.family(), in.text(), in.text()}};
  if (kind == "iptables") {
    return Change{IptablesRule{in.family(), in.text(), in.text(), in.number<std::uint16_t>(),
                               in.list(kMaxArguments)}};
  }
  if (kind == "sysctl") return Change{SetSysctl{in.text(), in.text()}};
  if (kind == "dns") return Change{read_dns(in)};
  if (kind == "shape-link") return Change{ShapeLink{in.text()}};
  if (kind == "shared-rate") return Change{SharedRate{in.text(), in.number<std::uint64_t>()}};
  if (kind == "redirect") return Change{JoinSharedRate{in.text(), in.text()}};
  if (kind == "session-rate") {
    return Change{SessionRate{in.text(), in.parsed<IpPrefix>(), in.number<std::uint64_t>(),
                              in.number<std::uint8_t>() != 0}};
  }
  return Error{Errc::Malformed, 0, "kind of change"};
}

}  // namespace

bool survives_reboot(const RecordedChange& recorded) {
  return std::holds_alternative<SetDns>(recorded.change) &&
         recorded.prior.compare(0, kDnsFilePrior.size(), kDnsFilePrior) == 0;
}

Status check(const Change& change) {
  return std::visit([](const auto& c) { return check_one(c); }, change);
}

std::string encode(const RecordedChange& recorded) {
  Words words{recorded.prior};
  std::visit([&words](const auto& c) { write(words, c); }, recorded.change);
  return encode_words(words);
}

Result<RecordedChange> decode_change(std::string_view line) {
  MYST_TRY_ASSIGN(const Words words, decode_words(line));
  Reader in(words);
  std::string prior = in.text();
  MYST_TRY_ASSIGN(Change change, read_change(in));
  if (in.failed() || !in.at_end()) return Error{Errc::Malformed, 0, "words of a change"};
  MYST_TRY(check(change));
  return RecordedChange{std::move(change), std::move(prior)};
}

std::string describe(const Change& change) {
  Words words;
  std::visit([&words](const auto& c) { write(words, c); }, change);
  std::string out;
  for (const std::string& word : words) {
    if (!out.empty()) out += ' ';
    out += word.empty() ? "-" : word;
  }
  return out;
}

}  // namespace myst::core
