// The broker gate: what stands between nodes and an ordinary nats-server. It speaks NATS to both,
// verifies and removes "signed.<signature>.<time>." from SUB and PUB, lets only signed publishes
// through to protected subjects, and passes everything else on unchanged. Sans-IO, one GateSession
// a client connection:
//
//   Status status = session.handle_client(now, bytes);   // or handle_server
//   upstream.write(session.take_to_server());
//   client.write(session.take_to_client());              // also after an error, then close both
//
// Protected are "*.proposal-{register,ping,unregister}.v3", "P.S.p2p-channel-handlers-ready" and
// "P.control-plane.v1". A signed subject that names an identity first must be signed by it. The
// literal "*" in front of a proposal subject is replaced by the signer, so that whoever reads
// proposals behind the gate can compare it with the provider in the payload, which is not signed.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/time.hpp"
#include "core/broker/nats_protocol.hpp"

namespace myst::core {

struct GateConfig {
  // How far the time in a signature may be from ours, either way.
  Duration max_skew = std::chrono::seconds{300};
  std::size_t max_line = 4096;
  std::size_t max_payload = 1u << 20;    // what nats-server takes by default
  std::size_t max_subscriptions = 4096;  // a connection
  std::size_t signatures_burst = 256;    // a connection; each check costs some 0.1 ms
  std::size_t signatures_per_second = 32;
  std::size_t max_refusals = 64;  // a connection; then it is closed
};

// A reference node repeats its SUB lines unchanged when it reconnects, with the signature of its
// start. Such an old signature is accepted when the gate saw it while it was fresh.
class SubscriptionMemory {
 public:
  static constexpr std::size_t kCapacity = 65536;  // full: the oldest is forgotten
  static std::uint64_t digest(ByteSpan signature);
  bool knows(std::uint64_t digest) const { return known_.count(digest) != 0; }
  void remember(std::uint64_t digest);
  std::vector<std::uint64_t> take_new();  // to be stored by the owner
  void restore(const std::vector<std::uint64_t>& digests);

 private:
  std::set<std::uint64_t> known_;
  std::deque<std::uint64_t> order_;
  std::vector<std::uint64_t> new_;
};

struct GateCounters {
  std::uint64_t published = 0, subscribed = 0, verified = 0;
  std::uint64_t refused_unsigned = 0, refused_forged = 0, refused_stale = 0, refused_malformed = 0;
};

class GateSession {
 public:
  GateSession(const GateConfig& config, SubscriptionMemory& memory, GateCounters& counters,
              Now now);

  // An error ends the connection: the line that says why is already in take_to_client().
  Status handle_client(Now now, ByteSpan bytes);
  Status handle_server(Now now, ByteSpan bytes);
  Bytes take_to_server();
  Bytes take_to_client();

 private:
  struct Opened {  // a subject after the check
    std::string subject;
    const char* refused = nullptr;  // why; nullptr: let through
    bool silent = false;            // refused without a word, as the public broker does
  };
  Status client_line(Now now, const NatsLine& line);
  Opened open_subject(Now now, std::string_view subject, bool publish);
  Opened open_signed(Now now, std::string_view subject, bool publish);
  Status refuse(const Opened& opened, std::string_view subject, bool publish);
  bool take_signature_token(Now now);

  const GateConfig& config_;
  SubscriptionMemory& memory_;
  GateCounters& counters_;
  NatsParser from_client_, from_server_;
  Bytes to_server_, to_client_;
  bool drop_payload_ = false;
  std::size_t subscriptions_ = 0, refusals_ = 0;
  std::size_t signature_tokens_;
  Instant tokens_at_;
};

// How many connections the gate takes, in all and from one address (an IPv6 /64 counts as one).
class GateAdmission {
 public:
  struct Limits {
    std::size_t total = 20000;
    std::size_t per_address = 256;  // many nodes may share one address behind a carrier's NAT
  };
  explicit GateAdmission(const Limits& limits) : limits_(limits) {}
  bool admit(const IpAddress& address);  // true: counted, release() must follow
  void release(const IpAddress& address);
  std::size_t size() const { return total_; }

 private:
  Limits limits_;
  std::size_t total_ = 0;
  std::map<IpAddress, std::size_t> by_address_;
};

// Whether a plain publish to this subject is refused.
bool is_protected_subject(std::string_view subject);

}  // namespace myst::core
