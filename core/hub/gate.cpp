#include "core/hub/gate.hpp"

#include <algorithm>

#include "core/base/text.hpp"
#include "core/identity/signed_subject.hpp"

namespace myst::core {
namespace {

constexpr std::string_view kSigned = "signed.";
constexpr std::string_view kProposalTopics[] = {"proposal-register.v3", "proposal-ping.v3",
                                                "proposal-unregister.v3"};
constexpr std::string_view kReady = "p2p-channel-handlers-ready";
constexpr std::string_view kControl = "control-plane.v1";

// True when the last words of `subject` are `topic`.
bool ends_with_topic(std::string_view subject, std::string_view topic) {
  if (subject.size() < topic.size()) return false;
  const std::size_t at = subject.size() - topic.size();
  return subject.substr(at) == topic && (at == 0 || subject[at - 1] == '.');
}

bool is_proposal_topic(std::string_view subject) {
  return std::any_of(std::begin(kProposalTopics), std::end(kProposalTopics),
                     [&](std::string_view topic) { return ends_with_topic(subject, topic); });
}

// "*.proposal-ping.v3", and "proposal-unregister.v3" of nodes before 1.33.9: nobody is named.
std::string_view unnamed_proposal_topic(std::string_view subject) {
  if (subject.substr(0, 2) == "*.") subject.remove_prefix(2);
  for (const std::string_view topic : kProposalTopics) {
    if (subject == topic) return topic;
  }
  return {};
}

NatsParser::Limits limits(const GateConfig& config) {
  NatsParser::Limits out;
  out.line = config.max_line;
  out.payload = config.max_payload;
  return out;
}

}  // namespace

bool is_protected_subject(std::string_view subject) {
  return is_proposal_topic(subject) || ends_with_topic(subject, kReady) ||
         ends_with_topic(subject, kControl);
}

std::uint64_t SubscriptionMemory::digest(ByteSpan signature) {
  // The first bytes of r: as good as random, and forging does not matter, because the signature
  // itself is verified first.
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 8 && i < signature.size(); ++i) value = value << 8 | signature[i];
  return value;
}

void SubscriptionMemory::remember(std::uint64_t digest) {
  if (!known_.insert(digest).second) return;
  order_.push_back(digest);
  if (new_.size() < kCapacity) new_.push_back(digest);
  if (order_.size() > kCapacity) {
    known_.erase(order_.front());
    order_.pop_front();
  }
}

std::vector<std::uint64_t> SubscriptionMemory::take_new() {
  std::vector<std::uint64_t> out;
  out.swap(new_);
  return out;
}

void SubscriptionMemory::restore(const std::vector<std::uint64_t>& digests) {
  for (const std::uint64_t digest : digests) remember(digest);
  new_.clear();
}

GateSession::GateSession(const GateConfig& config, SubscriptionMemory& memory,
                         GateCounters& counters, Now now)
    : config_(config),
      memory_(memory),
      counters_(counters),
      from_client_(NatsParser::Sender::Client, limits(config)),
      from_server_(NatsParser::Sender::Server, limits(config)),
      signature_tokens_(config.signatures_burst),
      tokens_at_(now.instant) {
  // The server is ours: what it sends is not for us to limit.
  from_server_.set_payload_limit(64u << 20);
}

Status GateSession::handle_client(Now now, ByteSpan bytes) {
  for (;;) {
    auto token = from_client_.next(bytes);
    if (!token.ok()) {
      const bool size = token.error().code == Errc::Full;
      write_nats_err(size ? "Maximum Payload Violation" : "Unknown Protocol Operation", to_client_);
      return token.error();
    }
    if (!*token) return {};
    if (const auto* line = std::get_if<NatsLine>(&**token)) {
      MYST_TRY(client_line(now, *line));
      continue;
    }
    const auto& payload = std::get<NatsPayload>(**token);
    if (drop_payload_) continue;
    append(to_server_, payload.bytes);
    if (payload.last) append(to_server_, "\r\n");
  }
}

Status GateSession::client_line(Now now, const NatsLine& line) {
  switch (line.verb) {
    case NatsVerb::Connect:
      append(to_server_, "CONNECT ");
      append(to_server_, line.text);
      append(to_server_, "\r\n");
      return {};
    case NatsVerb::Ping:
      write_nats_ping(to_server_);
      return {};
    case NatsVerb::Pong:
      write_nats_pong(to_server_);
      return {};
    case NatsVerb::Sub: {
      if (subscriptions_ >= config_.max_subscriptions) {
        write_nats_err("maximum subscriptions exceeded", to_client_);
        return Error{Errc::Full, 0, "subscriptions of one connection"};
      }
      const Opened opened = open_subject(now, line.subject, false);
      if (opened.refused != nullptr) return refuse(opened, line.subject, false);
      ++subscriptions_;
      ++counters_.subscribed;
      write_nats_sub(opened.subject, line.queue, line.sid, to_server_);
      return {};
    }
    case NatsVerb::Unsub:
      if (subscriptions_ > 0) --subscriptions_;
      write_nats_unsub(line.sid, line.text, to_server_);
      return {};
    case NatsVerb::Pub:
    case NatsVerb::HPub: {
      const Opened opened = open_subject(now, line.subject, true);
      drop_payload_ = opened.refused != nullptr;
      if (drop_payload_) return refuse(opened, line.subject, true);
      ++counters_.published;
      write_nats_pub_line(
          opened.subject, line.reply,
          line.verb == NatsVerb::HPub ? std::optional(line.header_size) : std::nullopt, line.size,
          to_server_);
      return {};
    }
    case NatsVerb::Info:
    case NatsVerb::Msg:
    case NatsVerb::HMsg:
    case NatsVerb::Ok:
    case NatsVerb::Err:
      return Error{Errc::Malformed, 0, "NATS line of a server sent by a client"};
  }
  return {};
}

GateSession::Opened GateSession::open_subject(Now now, std::string_view subject, bool publish) {
  if (subject.substr(0, kSigned.size()) == kSigned) return open_signed(now, subject, publish);
  Opened opened;
  opened.subject = std::string(subject);
  if (publish && is_protected_subject(subject)) {
    ++counters_.refused_unsigned;
    opened.refused = "unsigned";
    opened.silent = true;
  }
  return opened;
}

bool GateSession::take_signature_token(Now now) {
  const auto passed = now.instant - tokens_at_;
  if (passed >= std::chrono::seconds{1}) {
    const auto seconds = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::seconds>(passed).count());
    const std::uint64_t gained =
        std::min<std::uint64_t>(seconds, config_.signatures_burst) * config_.signatures_per_second;
    signature_tokens_ = static_cast<std::size_t>(
        std::min<std::uint64_t>(signature_tokens_ + gained, config_.signatures_burst));
    tokens_at_ = now.instant;
  }
  if (signature_tokens_ == 0) return false;
  --signature_tokens_;
  return true;
}

GateSession::Opened GateSession::open_signed(Now now, std::string_view subject, bool publish) {
  Opened opened;
  const auto parsed = parse_signed_subject(subject);
  if (!parsed.ok() || !is_nats_subject(parsed->topic) ||
      parsed->topic.substr(0, kSigned.size()) == kSigned) {
    ++counters_.refused_malformed;
    opened.refused = "malformed signed subject";
    return opened;
  }
  if (!take_signature_token(now)) {
    ++counters_.refused_malformed;
    opened.refused = "too many signatures";
    return opened;
  }
  const auto signer = recover_signer(*parsed);
  if (!signer.ok()) {
    ++counters_.refused_forged;
    opened.refused = "invalid signature";
    return opened;
  }
  const std::string identity = signer->to_string();
  const std::string_view topic = parsed->topic;
  const std::string_view first = topic.substr(0, topic.find('.'));
  const std::string_view unnamed = unnamed_proposal_topic(topic);
  if (!unnamed.empty()) {
    opened.subject = publish ? identity + "." + std::string(unnamed) : std::string(topic);
  } else {
    const bool named = first.size() > 2 && first[0] == '0' && (first[1] == 'x' || first[1] == 'X');
    if ((named || is_protected_subject(topic)) && first != identity) {
      ++counters_.refused_forged;
      opened.refused = "signed by another identity";
      return opened;
    }
    opened.subject = std::string(topic);
  }
  const std::int64_t skew = parsed->unix_seconds - unix_seconds(now.wall);
  const auto most = std::chrono::duration_cast<std::chrono::seconds>(config_.max_skew).count();
  const bool fresh = skew <= most && skew >= -most;
  const std::uint64_t digest = SubscriptionMemory::digest(parsed->signature);
  if (!fresh && (publish || skew > 0 || !memory_.knows(digest))) {
    ++counters_.refused_stale;
    opened.refused = skew > 0 ? "signature from the future, check the clock"
                              : "signature too old, check the clock";
    return opened;
  }
  if (fresh && !publish) memory_.remember(digest);
  ++counters_.verified;
  return opened;
}

Status GateSession::refuse(const Opened& opened, std::string_view subject, bool publish) {
  if (++refusals_ > config_.max_refusals) {
    write_nats_err("Authorization Violation", to_client_);
    return Error{Errc::Rejected, 0, "too many refused subjects"};
  }
  if (opened.silent) return {};
  // Clients of this network take a "Permissions Violation" as a note and stay connected.
  std::string topic(subject);
  if (const auto parsed = parse_signed_subject(subject); parsed.ok()) {
    topic = std::string(parsed->topic);
  }
  for (char& c : topic) {
    if (c == '\'' || c == '"') c = '?';
  }
  write_nats_err(std::string("Permissions Violation for ") +
                     (publish ? "Publish to \"" : "Subscription to \"") + topic +
                     "\": " + opened.refused,
                 to_client_);
  return {};
}

Status GateSession::handle_server(Now, ByteSpan bytes) {
  for (;;) {
    auto token = from_server_.next(bytes);
    if (!token.ok()) return token.error();
    if (!*token) return {};
    if (const auto* payload = std::get_if<NatsPayload>(&**token)) {
      append(to_client_, payload->bytes);
      if (payload->last) append(to_client_, "\r\n");
      continue;
    }
    const auto& line = std::get<NatsLine>(**token);
    switch (line.verb) {
      case NatsVerb::Info: {
        MYST_TRY_ASSIGN(const NatsServerInfo info, parse_nats_info(line.text));
        if (info.tls_required) return Error{Errc::Unsupported, 0, "nats-server requires TLS"};
        from_client_.set_payload_limit(std::min(info.max_payload, config_.max_payload));
        MYST_TRY_ASSIGN(const std::string shown, strip_nats_info(line.text));
        append(to_client_, "INFO " + shown + "\r\n");
        break;
      }
      case NatsVerb::Msg:
      case NatsVerb::HMsg: {
        append(to_client_, line.verb == NatsVerb::Msg ? "MSG " : "HMSG ");
        append(to_client_, line.subject);
        append(to_client_, " ");
        append(to_client_, line.sid);
        append(to_client_, " ");
        if (!line.reply.empty()) {
          append(to_client_, line.reply);
          append(to_client_, " ");
        }
        if (line.verb == NatsVerb::HMsg) append(to_client_, std::to_string(line.header_size) + " ");
        append(to_client_, std::to_string(line.size));
        append(to_client_, "\r\n");
        break;
      }
      case NatsVerb::Ok:
        append(to_client_, "+OK\r\n");
        break;
      case NatsVerb::Err:
        append(to_client_, "-ERR ");
        append(to_client_, line.text);
        append(to_client_, "\r\n");
        break;
      case NatsVerb::Ping:
        write_nats_ping(to_client_);
        break;
      case NatsVerb::Pong:
        write_nats_pong(to_client_);
        break;
      case NatsVerb::Connect:
      case NatsVerb::Sub:
      case NatsVerb::Unsub:
      case NatsVerb::Pub:
      case NatsVerb::HPub:
        return Error{Errc::Malformed, 0, "NATS line of a client sent by the server"};
    }
  }
}

Bytes GateSession::take_to_server() {
  Bytes out;
  out.swap(to_server_);
  return out;
}

Bytes GateSession::take_to_client() {
  Bytes out;
  out.swap(to_client_);
  return out;
}

namespace {

IpAddress counted(const IpAddress& address) {
  return address.is_v4() ? address : IpPrefix{address, 64}.network().ip;
}

}  // namespace

bool GateAdmission::admit(const IpAddress& address) {
  if (total_ >= limits_.total) return false;
  std::size_t& count = by_address_[counted(address)];
  if (count >= limits_.per_address) return false;
  ++count;
  ++total_;
  return true;
}

void GateAdmission::release(const IpAddress& address) {
  const auto found = by_address_.find(counted(address));
  if (found == by_address_.end()) return;
  --total_;
  if (--found->second == 0) by_address_.erase(found);
}

}  // namespace myst::core
