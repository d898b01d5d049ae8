#include "core/broker/nats_protocol.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/base/text.hpp"
#include "core/broker/flat_json.hpp"

namespace myst::core {
namespace {

struct VerbName {
  std::string_view name;
  NatsVerb verb;
  bool from_server, from_client;
};
constexpr VerbName kVerbs[] = {
    {"INFO", NatsVerb::Info, true, false}, {"MSG", NatsVerb::Msg, true, false},
    {"HMSG", NatsVerb::HMsg, true, false}, {"+OK", NatsVerb::Ok, true, false},
    {"-ERR", NatsVerb::Err, true, false},  {"CONNECT", NatsVerb::Connect, false, true},
    {"SUB", NatsVerb::Sub, false, true},   {"UNSUB", NatsVerb::Unsub, false, true},
    {"PUB", NatsVerb::Pub, false, true},   {"HPUB", NatsVerb::HPub, false, true},
    {"PING", NatsVerb::Ping, true, true},  {"PONG", NatsVerb::Pong, true, true},
};

constexpr std::size_t kMaxInfoLine = 64 * 1024;  // names every server of a cluster

bool blank(char c) { return c == ' ' || c == '\t'; }

std::string_view take_word(std::string_view& text) {
  std::size_t from = 0;
  while (from < text.size() && blank(text[from])) ++from;
  std::size_t end = from;
  while (end < text.size() && !blank(text[end])) ++end;
  const std::string_view word = text.substr(from, end - from);
  text.remove_prefix(end);
  return word;
}

Result<std::size_t> parse_size(std::string_view word, std::size_t limit) {
  const auto size = parse_decimal(word);
  if (!size) return Error{Errc::Malformed, 0, "NATS payload size"};
  if (*size > limit) return Error{Errc::Full, 0, "NATS payload above the limit"};
  return static_cast<std::size_t>(*size);
}

// PUB <subject> [reply] <size>, HPUB <subject> [reply] <headers> <size>,
// MSG <subject> <sid> [reply] <size>, HMSG <subject> <sid> [reply] <headers> <size>.
Status parse_message_line(NatsLine& line, std::string_view rest, std::size_t limit) {
  const bool has_sid = line.verb == NatsVerb::Msg || line.verb == NatsVerb::HMsg;
  const bool has_headers = line.verb == NatsVerb::HMsg || line.verb == NatsVerb::HPub;
  std::array<std::string_view, 6> words;
  std::size_t count = 0;
  for (std::string_view word = take_word(rest); !word.empty(); word = take_word(rest)) {
    if (count == words.size()) return Error{Errc::Malformed, 0, "NATS line has too many words"};
    words[count++] = word;
  }
  const std::size_t least = 2u + (has_sid ? 1u : 0u) + (has_headers ? 1u : 0u);
  if (count != least && count != least + 1) return Error{Errc::Malformed, 0, "NATS message line"};
  std::size_t at = 0;
  line.subject = words[at++];
  if (has_sid) line.sid = words[at++];
  if (count == least + 1) line.reply = words[at++];
  if (has_headers) {
    MYST_TRY_ASSIGN(line.header_size, parse_size(words[at++], limit));
  }
  MYST_TRY_ASSIGN(line.size, parse_size(words[at], limit));
  if (line.header_size > line.size) return Error{Errc::Malformed, 0, "NATS header size"};
  return {};
}

Result<NatsLine> parse_line(std::string_view text, NatsParser::Sender sender, std::size_t limit) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
      return Error{Errc::Malformed, 0, "control character in a NATS line"};
    }
  }
  std::string_view rest = text;
  const std::string_view word = take_word(rest);
  const auto* known =
      std::find_if(std::begin(kVerbs), std::end(kVerbs), [&](const VerbName& candidate) {
        return equal_ignoring_case(candidate.name, word) &&
               (sender == NatsParser::Sender::Server ? candidate.from_server
                                                     : candidate.from_client);
      });
  if (known == std::end(kVerbs)) return Error{Errc::Malformed, 0, "unknown NATS verb"};
  NatsLine line;
  line.verb = known->verb;
  switch (line.verb) {
    case NatsVerb::Info:
    case NatsVerb::Connect:
    case NatsVerb::Err:
      line.text = trim(rest);
      return line;
    case NatsVerb::Ok:
    case NatsVerb::Ping:
    case NatsVerb::Pong:
      return line;
    case NatsVerb::Sub: {
      line.subject = take_word(rest);
      line.sid = take_word(rest);
      if (const std::string_view third = take_word(rest); !third.empty()) {
        line.queue = line.sid;
        line.sid = third;
      }
      if (line.sid.empty() || !take_word(rest).empty()) {
        return Error{Errc::Malformed, 0, "NATS SUB line"};
      }
      return line;
    }
    case NatsVerb::Unsub:
      line.sid = take_word(rest);
      line.text = take_word(rest);
      if (line.sid.empty() || !take_word(rest).empty()) {
        return Error{Errc::Malformed, 0, "NATS UNSUB line"};
      }
      return line;
    case NatsVerb::Msg:
    case NatsVerb::HMsg:
    case NatsVerb::Pub:
    case NatsVerb::HPub:
      MYST_TRY(parse_message_line(line, rest, limit));
      return line;
  }
  return Error{Errc::Malformed, 0, "unknown NATS verb"};
}

bool has_payload(NatsVerb verb) {
  return verb == NatsVerb::Msg || verb == NatsVerb::HMsg || verb == NatsVerb::Pub ||
         verb == NatsVerb::HPub;
}

}  // namespace

Result<std::optional<NatsToken>> NatsParser::next(ByteSpan& input) {
  if (in_payload_) return next_payload(input);
  if (line_done_) {
    line_.clear();
    line_done_ = false;
  }
  if (input.empty()) return std::optional<NatsToken>{};
  const auto* found =
      static_cast<const std::uint8_t*>(std::memchr(input.data(), '\n', input.size()));
  const std::size_t taken =
      found == nullptr ? input.size() : static_cast<std::size_t>(found - input.data()) + 1;
  // INFO alone may be longer than the limit for lines.
  const std::string_view head = line_.empty() ? as_text(input) : std::string_view(line_);
  const bool info =
      sender_ == Sender::Server && !head.empty() && (head[0] == 'I' || head[0] == 'i');
  const std::size_t limit = info ? std::max(limits_.line, kMaxInfoLine) : limits_.line;
  if (line_.size() + taken > limit) return Error{Errc::Full, 0, "NATS line above the limit"};
  std::string_view text;
  if (found != nullptr && line_.empty()) {
    text = as_text(input.first(taken));
  } else {
    line_.append(as_text(input.first(taken)));
    text = line_;
  }
  input = input.subspan(taken);
  if (found == nullptr) return std::optional<NatsToken>{};
  line_done_ = true;
  text.remove_suffix(1);
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  MYST_TRY_ASSIGN(NatsLine line, parse_line(text, sender_, limits_.payload));
  if (has_payload(line.verb)) {
    in_payload_ = true;
    payload_left_ = line.size;
    end_seen_ = 0;
  }
  return std::optional<NatsToken>{line};
}

Result<std::optional<NatsToken>> NatsParser::next_payload(ByteSpan& input) {
  const ByteSpan bytes = input.first(std::min(payload_left_, input.size()));
  input = input.subspan(bytes.size());
  payload_left_ -= bytes.size();
  while (payload_left_ == 0 && end_seen_ < 2 && !input.empty()) {
    if (input[0] != (end_seen_ == 0 ? 0x0d : 0x0a)) {
      return Error{Errc::Malformed, 0, "NATS payload longer than announced"};
    }
    ++end_seen_;
    input = input.subspan(1);
  }
  if (end_seen_ < 2) {
    if (bytes.empty()) return std::optional<NatsToken>{};
    return std::optional<NatsToken>{NatsPayload{bytes, false}};
  }
  in_payload_ = false;
  return std::optional<NatsToken>{NatsPayload{bytes, true}};
}

Result<NatsServerInfo> parse_nats_info(std::string_view json) {
  NatsServerInfo info;
  FlatJson members(json);
  while (const auto member = members.next()) {
    const bool yes = member->value == "true";
    if (member->name == "headers") info.headers = yes;
    if (member->name == "tls_required") info.tls_required = yes;
    if (member->name == "auth_required") info.auth_required = yes;
    if (member->name == "max_payload") {
      const auto size = parse_decimal(member->value);
      if (!size) return Error{Errc::Malformed, 0, "NATS INFO max_payload"};
      info.max_payload = static_cast<std::size_t>(std::min<std::uint64_t>(*size, 64u << 20));
    }
  }
  if (!members.ok()) return Error{Errc::Malformed, 0, "NATS INFO"};
  return info;
}

Result<std::string> strip_nats_info(std::string_view json) {
  constexpr std::string_view kDropped[] = {
      "connect_urls", "ws_connect_urls", "host",       "port",    "ip",     "client_ip",
      "tls_required", "tls_available",   "tls_verify", "cluster", "domain", "xkey"};
  std::string out = "{";
  FlatJson members(json);
  while (const auto member = members.next()) {
    if (std::find(std::begin(kDropped), std::end(kDropped), member->name) != std::end(kDropped)) {
      continue;
    }
    if (out.size() > 1) out += ',';
    out += '"';
    out += member->name;
    out += "\":";
    out += member->value;
  }
  if (!members.ok()) return Error{Errc::Malformed, 0, "NATS INFO"};
  return out + "}";
}

bool is_nats_subject(std::string_view subject) {
  if (subject.empty() || subject.front() == '.' || subject.back() == '.') return false;
  char before = 0;
  for (const char c : subject) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7f || (c == '.' && before == '.')) return false;
    before = c;
  }
  return true;
}

void append(Bytes& out, std::string_view text) { out.insert(out.end(), text.begin(), text.end()); }
void append(Bytes& out, ByteSpan bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

void write_nats_connect(const NatsConnectOptions& options, Bytes& out) {
  const auto flag = [](bool value) { return value ? "true" : "false"; };
  append(out, R"(CONNECT {"verbose":false,"pedantic":false,)");
  if (!options.user.empty()) {
    append(out, "\"user\":" + quoted(options.user) + ",\"pass\":" + quoted(options.password) + ",");
  }
  append(out, std::string("\"tls_required\":") + flag(options.tls) +
                  R"(,"name":"","lang":"c++","version":)" + quoted(options.version) +
                  R"(,"protocol":1,"echo":true,"headers":)" + flag(options.headers) +
                  R"(,"no_responders":)" + flag(options.headers) + "}\r\n");
}

void write_nats_ping(Bytes& out) { append(out, "PING\r\n"); }
void write_nats_pong(Bytes& out) { append(out, "PONG\r\n"); }

void write_nats_sub(std::string_view subject, std::string_view queue, std::string_view sid,
                    Bytes& out) {
  append(out, "SUB ");
  append(out, subject);
  append(out, " ");
  if (!queue.empty()) {
    append(out, queue);
    append(out, " ");
  }
  append(out, sid);
  append(out, "\r\n");
}

void write_nats_unsub(std::string_view sid, std::string_view max, Bytes& out) {
  append(out, "UNSUB ");
  append(out, sid);
  if (!max.empty()) {
    append(out, " ");
    append(out, max);
  }
  append(out, "\r\n");
}

void write_nats_pub_line(std::string_view subject, std::string_view reply,
                         std::optional<std::size_t> header_size, std::size_t size, Bytes& out) {
  append(out, header_size ? "HPUB " : "PUB ");
  append(out, subject);
  append(out, " ");
  if (!reply.empty()) {
    append(out, reply);
    append(out, " ");
  }
  if (header_size) {
    append(out, std::to_string(*header_size));
    append(out, " ");
  }
  append(out, std::to_string(size));
  append(out, "\r\n");
}

void write_nats_pub(std::string_view subject, std::string_view reply, ByteSpan payload,
                    Bytes& out) {
  write_nats_pub_line(subject, reply, std::nullopt, payload.size(), out);
  append(out, payload);
  append(out, "\r\n");
}

void write_nats_err(std::string_view text, Bytes& out) {
  append(out, "-ERR '");
  append(out, text);
  append(out, "'\r\n");
}

}  // namespace myst::core
