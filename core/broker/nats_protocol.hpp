// The NATS text protocol as bytes: one streaming parser for both directions (a client reads a
// server, the broker gate reads both) and the lines we write. Facts: nats.go 1.31 and measurements
// with nats-server 2.9.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::core {

enum class NatsVerb : std::uint8_t {
  Info,
  Msg,
  HMsg,
  Ok,
  Err,  // sent by servers
  Connect,
  Sub,
  Unsub,
  Pub,
  HPub,  // sent by clients
  Ping,
  Pong,  // sent by both
};

// One control line, taken apart. The views live until the parser is called again.
struct NatsLine {
  NatsVerb verb = NatsVerb::Ping;
  std::string_view subject;
  std::string_view reply;       // empty: none
  std::string_view queue;       // of SUB; empty: none
  std::string_view sid;         // of SUB, UNSUB, MSG, HMSG
  std::string_view text;        // JSON of INFO and CONNECT, the message of -ERR, the count of UNSUB
  std::size_t header_size = 0;  // of HPUB and HMSG: that much of the payload are headers
  std::size_t size = 0;         // payload, headers included
};

// A piece of the payload announced by the line before; `last` comes once, maybe with no bytes.
struct NatsPayload {
  ByteSpan bytes;
  bool last = false;
};

using NatsToken = std::variant<NatsLine, NatsPayload>;

class NatsParser {
 public:
  enum class Sender : std::uint8_t { Server, Client };
  struct Limits {
    std::size_t line = 4096;  // nats-server's own limit for control lines; INFO may be longer
    std::size_t payload = 1u << 20;
  };
  NatsParser(Sender sender, const Limits& limits) : sender_(sender), limits_(limits) {}

  // Takes one token off the front of `input`, or all of it when more bytes are needed (nullopt).
  // An error means the other side does not speak NATS or ignores the limits: the connection is over
  // and the parser must not be called again. Full: a line or payload above the limit.
  Result<std::optional<NatsToken>> next(ByteSpan& input);
  void set_payload_limit(std::size_t bytes) { limits_.payload = bytes; }

 private:
  Result<std::optional<NatsToken>> next_payload(ByteSpan& input);
  Sender sender_;
  Limits limits_;
  std::string line_;        // beginning of a line that came in pieces
  bool line_done_ = false;  // line_ was handed out: clear it first
  bool in_payload_ = false;
  std::size_t payload_left_ = 0;
  std::size_t end_seen_ = 0;  // of the CR LF behind the payload
};

// What a server says of itself, as far as we use it. A value that is absent keeps its default.
struct NatsServerInfo {
  std::size_t max_payload = 1u << 20;
  bool headers = false;
  bool tls_required = false;
  bool auth_required = false;
};
Result<NatsServerInfo> parse_nats_info(std::string_view json);

// The same INFO without what would lead a client past the gate or into a TLS handshake the gate
// does not speak: addresses of the server and its cluster, and its TLS offers.
Result<std::string> strip_nats_info(std::string_view json);

struct NatsConnectOptions {
  std::string user;
  std::string password;
  std::string version;
  bool tls = false;
  bool headers = false;  // also asks for "no responders" answers
};

// Subjects without blanks, control characters or empty tokens; wildcards are allowed (a published
// "*" is an ordinary character on this network).
bool is_nats_subject(std::string_view subject);

void write_nats_connect(const NatsConnectOptions& options, Bytes& out);
void write_nats_ping(Bytes& out);
void write_nats_pong(Bytes& out);
void write_nats_sub(std::string_view subject, std::string_view queue, std::string_view sid,
                    Bytes& out);
void write_nats_unsub(std::string_view sid, std::string_view max, Bytes& out);
void write_nats_pub(std::string_view subject, std::string_view reply, ByteSpan payload, Bytes& out);
// The control line alone; `size` payload bytes and CR LF must follow. header_size: HPUB.
void write_nats_pub_line(std::string_view subject, std::string_view reply,
                         std::optional<std::size_t> header_size, std::size_t size, Bytes& out);
void write_nats_err(std::string_view text, Bytes& out);
void append(Bytes& out, std::string_view text);
void append(Bytes& out, ByteSpan bytes);

}  // namespace myst::core
