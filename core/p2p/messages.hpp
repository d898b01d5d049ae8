// The protobuf messages of the peer channel and the key exchange as plain structs, and the topic
// names. Numbers and their limits are the business of whoever uses them: amounts stay decimal text
// or big-endian bytes, as they travel (reference: pb/*.proto).
//
// encode() writes fields in ascending order and leaves out zero and empty ones; text that is not
// UTF-8 would make a Go peer reject the message, so the caller checks what it did not write itself
// (encode replaces nothing). decode() takes any field order, skips unknown fields, lets the last of
// several win, and refuses text that is not UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::core {

// Topics of requests on a channel (reference: p2p/message.go).
namespace topic {
inline constexpr std::string_view kSessionCreate = "p2p-session-create";
inline constexpr std::string_view kSessionAcknowledge = "p2p-session-acknowledge";
inline constexpr std::string_view kSessionStatus = "p2p-session-connectivity-status";
inline constexpr std::string_view kSessionDestroy = "p2p-session-destroy";
inline constexpr std::string_view kPaymentMessage = "p2p-payment-message";
inline constexpr std::string_view kPaymentInvoice = "p2p-payment-invoice";
inline constexpr std::string_view kKeepAlive = "p2p-keepalive";
}  // namespace topic

// How long the reference waits for the answer to each (reference: core/connection/manager.go).
namespace topic_timeout {
inline constexpr int kSessionSeconds = 20;  // create, acknowledge, connectivity status
inline constexpr int kSessionDestroySeconds = 1;
inline constexpr int kPaymentMessageSeconds = 20;
inline constexpr int kPaymentInvoiceSeconds = 10;
inline constexpr int kKeepAliveSeconds = 5;
}  // namespace topic_timeout

namespace pb {

inline constexpr std::string_view kPaymentVersion = "v3";
inline constexpr std::string_view kHandlersReady = "HANDLERS READY";

struct P2PSignedMsg {
  Bytes data;       // a P2PConfigExchangeMsg, exactly as signed
  Bytes signature;  // 65 bytes when valid
  Bytes encode() const;
  static Result<P2PSignedMsg> decode(ByteSpan bytes);
};

struct P2PConfigExchangeMsg {
  std::string public_key;  // 64 hex digits
  Bytes config_ciphertext;
  Bytes encode() const;
  static Result<P2PConfigExchangeMsg> decode(ByteSpan bytes);
};

struct P2PConnectConfig {
  static constexpr std::size_t kMaxPorts = 256;  // more is Malformed; the reference sends 2 or 20
  std::string public_ip;
  std::vector<std::int32_t> ports;
  std::int32_t compatibility = 0;
  std::string url;  // quic_scraping only
  Bytes encode() const;
  static Result<P2PConnectConfig> decode(ByteSpan bytes);
};

struct P2PChannelHandlersReady {
  std::string value;
  Bytes encode() const;
  static Result<P2PChannelHandlersReady> decode(ByteSpan bytes);
};

struct P2PKeepAlivePing {
  std::string session_id;
  Bytes encode() const;
  static Result<P2PKeepAlivePing> decode(ByteSpan bytes);
};

struct P2PChannelEnvelope {
  std::uint64_t id = 0;
  std::uint64_t status_code = 0;
  std::string topic;
  std::string msg;
  Bytes data;
  Bytes encode() const;
  static Result<P2PChannelEnvelope> decode(ByteSpan bytes);
};

struct LocationInfo {
  std::string country;
};

struct Pricing {
  Bytes per_gib;  // unsigned, big-endian, shortest form; zero is empty
  Bytes per_hour;
};

// Location and pricing are present on the wire even when empty, as the reference sends them;
// nullopt leaves the field out.
struct ConsumerInfo {
  std::string id;
  std::string hermes_id;
  std::string payment_version;
  std::optional<LocationInfo> location;
  std::optional<Pricing> pricing;
};

struct SessionRequest {
  std::optional<ConsumerInfo> consumer;
  std::int64_t proposal_id = 0;
  Bytes config;  // JSON of the service
  Bytes encode() const;
  static Result<SessionRequest> decode(ByteSpan bytes);
};

struct SessionResponse {
  std::string id;  // UUID text
  std::string payment_info;
  Bytes config;  // JSON of the service
  Bytes encode() const;
  static Result<SessionResponse> decode(ByteSpan bytes);
};

struct SessionInfo {
  std::string consumer_id;
  std::string session_id;
  Bytes encode() const;
  static Result<SessionInfo> decode(ByteSpan bytes);
};

// Codes seen in SessionStatus (reference: session/connectivity/status_message.go).
enum class ConnectivityStatus : std::uint32_t {
  Ok = 1000,
  SessionEstablishmentFailed = 2000,
  SessionPaymentsFailed = 2001,
  SessionIpNotChanged = 2002,
  ConnectionFailed = 2003,
};

struct SessionStatus {
  std::string consumer_id;
  std::string session_id;
  std::uint32_t code = 0;
  std::string message;
  Bytes encode() const;
  static Result<SessionStatus> decode(ByteSpan bytes);
};

struct Invoice {
  std::string agreement_id;  // amounts and ids: decimal text
  std::string agreement_total;
  std::string transactor_fee;
  std::string hashlock;  // hex without 0x
  std::string provider;
  std::int64_t chain_id = 0;
  Bytes encode() const;
  static Result<Invoice> decode(ByteSpan bytes);
};

struct Promise {
  Bytes channel_id;
  std::string amount;
  std::string fee;
  Bytes hashlock;
  Bytes r;
  std::int64_t chain_id = 0;
  Bytes signature;
  Bytes encode() const;
  static Result<Promise> decode(ByteSpan bytes);
};

struct ExchangeMessage {
  std::optional<Promise> promise;
  std::string agreement_id;
  std::string agreement_total;
  std::string provider;
  std::string signature;
  std::string hermes_id;
  std::int64_t chain_id = 0;
  Bytes encode() const;
  static Result<ExchangeMessage> decode(ByteSpan bytes);
};

}  // namespace pb
}  // namespace myst::core
