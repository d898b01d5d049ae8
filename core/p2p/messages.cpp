#include "core/p2p/messages.hpp"

#include "core/wire/protobuf.hpp"

namespace myst::core::pb {
namespace {

using F = ProtoField;

// Calls take(field) for every field; take says what to do with the ones it knows.
template <typename Take>
Status each_field(ByteSpan bytes, Take take) {
  ProtoReader reader(bytes);
  for (;;) {
    MYST_TRY_ASSIGN(const std::optional<F> field, reader.next());
    if (!field) return {};
    MYST_TRY(take(*field));
  }
}

template <typename Message, typename Take>
Result<Message> decode_as(ByteSpan bytes, Take take) {
  Message message;
  const Status status = each_field(bytes, [&](const F& f) { return take(message, f); });
  if (!status.ok()) return status.error();
  return message;
}

bool text_of(const F& f, std::uint32_t number, std::string& out, Status& status) {
  if (!f.is(number, WireType::Bytes)) return false;
  status = read_text(f, out);
  return true;
}

bool bytes_of(const F& f, std::uint32_t number, Bytes& out) {
  if (!f.is(number, WireType::Bytes)) return false;
  out = to_bytes(f.bytes);
  return true;
}

// Narrower integers keep the low bits, as protobuf readers do.
template <typename Integer>
bool integer_of(const F& f, std::uint32_t number, Integer& out) {
  if (!f.is(number, WireType::Varint)) return false;
  out = static_cast<Integer>(f.value);
  return true;
}

// Singular sub-messages that occur twice are merged field by field: hence "merge" into a struct.
Status merge(ByteSpan bytes, LocationInfo& m) {
  return each_field(bytes, [&](const F& f) {
    Status s;
    text_of(f, 1, m.country, s);
    return s;
  });
}

Status merge(ByteSpan bytes, Pricing& m) {
  return each_field(bytes, [&](const F& f) {
    (void)(bytes_of(f, 1, m.per_gib) || bytes_of(f, 2, m.per_hour));
    return Status{};
  });
}

Status merge(ByteSpan bytes, ConsumerInfo& m);
Status merge(ByteSpan bytes, Promise& m);

template <typename Message>
Status merge_sub(const F& f, std::optional<Message>& out) {
  if (!out) out.emplace();
  return merge(f.bytes, *out);
}

Status merge(ByteSpan bytes, ConsumerInfo& m) {
  return each_field(bytes, [&](const F& f) -> Status {
    Status s;
    if (text_of(f, 1, m.id, s) || text_of(f, 2, m.hermes_id, s) ||
        text_of(f, 3, m.payment_version, s)) {
      return s;
    }
    if (f.is(4, WireType::Bytes)) return merge_sub(f, m.location);
    if (f.is(5, WireType::Bytes)) return merge_sub(f, m.pricing);
    return {};
  });
}

Status merge(ByteSpan bytes, Promise& m) {
  return each_field(bytes, [&](const F& f) {
    Status s;
    (void)(bytes_of(f, 1, m.channel_id) || text_of(f, 2, m.amount, s) || text_of(f, 3, m.fee, s) ||
           bytes_of(f, 4, m.hashlock) || bytes_of(f, 5, m.r) || integer_of(f, 6, m.chain_id) ||
           bytes_of(f, 7, m.signature));
    return s;
  });
}

Bytes encode(const ConsumerInfo& m) {
  ProtoWriter w;
  w.text(1, m.id).text(2, m.hermes_id).text(3, m.payment_version);
  if (m.location) w.message(4, ProtoWriter().text(1, m.location->country).take());
  if (m.pricing) {
    w.message(5, ProtoWriter().bytes(1, m.pricing->per_gib).bytes(2, m.pricing->per_hour).take());
  }
  return w.take();
}

}  // namespace

Bytes P2PSignedMsg::encode() const {
  return ProtoWriter().bytes(1, data).bytes(2, signature).take();
}
Result<P2PSignedMsg> P2PSignedMsg::decode(ByteSpan in) {
  return decode_as<P2PSignedMsg>(in, [](P2PSignedMsg& m, const F& f) {
    (void)(bytes_of(f, 1, m.data) || bytes_of(f, 2, m.signature));
    return Status{};
  });
}

Bytes P2PConfigExchangeMsg::encode() const {
  return ProtoWriter().text(1, public_key).bytes(2, config_ciphertext).take();
}
Result<P2PConfigExchangeMsg> P2PConfigExchangeMsg::decode(ByteSpan in) {
  return decode_as<P2PConfigExchangeMsg>(in, [](P2PConfigExchangeMsg& m, const F& f) {
    Status s;
    (void)(text_of(f, 1, m.public_key, s) || bytes_of(f, 2, m.config_ciphertext));
    return s;
  });
}

Bytes P2PConnectConfig::encode() const {
  return ProtoWriter()
      .text(1, public_ip)
      .packed(2, ports)
      .integer(3, compatibility)
      .text(4, url)
      .take();
}
Result<P2PConnectConfig> P2PConnectConfig::decode(ByteSpan in) {
  return decode_as<P2PConnectConfig>(in, [](P2PConnectConfig& m, const F& f) -> Status {
    const auto add_port = [&m](std::uint64_t value) -> Status {
      if (m.ports.size() == kMaxPorts) return Error{Errc::Malformed, 0, "connect config: ports"};
      m.ports.push_back(static_cast<std::int32_t>(value));
      return {};
    };
    Status s;
    if (text_of(f, 1, m.public_ip, s) || integer_of(f, 3, m.compatibility) ||
        text_of(f, 4, m.url, s)) {
      return s;
    }
    if (f.is(2, WireType::Varint)) return add_port(f.value);
    if (f.is(2, WireType::Bytes)) {
      for (ByteSpan run = f.bytes; !run.empty();) {
        const auto port = read_varint(run);
        if (!port) return Error{Errc::Malformed, 0, "connect config: packed ports"};
        MYST_TRY(add_port(*port));
      }
    }
    return {};
  });
}

Bytes P2PChannelHandlersReady::encode() const { return ProtoWriter().text(1, value).take(); }
Result<P2PChannelHandlersReady> P2PChannelHandlersReady::decode(ByteSpan in) {
  return decode_as<P2PChannelHandlersReady>(in, [](P2PChannelHandlersReady& m, const F& f) {
    Status s;
    text_of(f, 1, m.value, s);
    return s;
  });
}

Bytes P2PKeepAlivePing::encode() const { return ProtoWriter().text(1, session_id).take(); }
Result<P2PKeepAlivePing> P2PKeepAlivePing::decode(ByteSpan in) {
  return decode_as<P2PKeepAlivePing>(in, [](P2PKeepAlivePing& m, const F& f) {
    Status s;
    text_of(f, 1, m.session_id, s);
    return s;
  });
}

Bytes P2PChannelEnvelope::encode() const {
  return ProtoWriter()
      .integer(1, id)
      .integer(2, status_code)
      .text(3, topic)
      .text(4, msg)
      .bytes(5, data)
      .take();
}
Result<P2PChannelEnvelope> P2PChannelEnvelope::decode(ByteSpan in) {
  return decode_as<P2PChannelEnvelope>(in, [](P2PChannelEnvelope& m, const F& f) {
    Status s;
    (void)(integer_of(f, 1, m.id) || integer_of(f, 2, m.status_code) || text_of(f, 3, m.topic, s) ||
           text_of(f, 4, m.msg, s) || bytes_of(f, 5, m.data));
    return s;
  });
}

Bytes SessionRequest::encode() const {
  ProtoWriter w;
  if (consumer) w.message(1, pb::encode(*consumer));
  return w.integer(2, proposal_id).bytes(3, config).take();
}
Result<SessionRequest> SessionRequest::decode(ByteSpan in) {
  return decode_as<SessionRequest>(in, [](SessionRequest& m, const F& f) -> Status {
    if (f.is(1, WireType::Bytes)) return merge_sub(f, m.consumer);
    (void)(integer_of(f, 2, m.proposal_id) || bytes_of(f, 3, m.config));
    return {};
  });
}

Bytes SessionResponse::encode() const {
  return ProtoWriter().text(1, id).text(2, payment_info).bytes(3, config).take();
}
Result<SessionResponse> SessionResponse::decode(ByteSpan in) {
  return decode_as<SessionResponse>(in, [](SessionResponse& m, const F& f) {
    Status s;
    (void)(text_of(f, 1, m.id, s) || text_of(f, 2, m.payment_info, s) || bytes_of(f, 3, m.config));
    return s;
  });
}

Bytes SessionInfo::encode() const {
  return ProtoWriter().text(1, consumer_id).text(2, session_id).take();
}
Result<SessionInfo> SessionInfo::decode(ByteSpan in) {
  return decode_as<SessionInfo>(in, [](SessionInfo& m, const F& f) {
    Status s;
    (void)(text_of(f, 1, m.consumer_id, s) || text_of(f, 2, m.session_id, s));
    return s;
  });
}

Bytes SessionStatus::encode() const {
  return ProtoWriter()
      .text(1, consumer_id)
      .text(2, session_id)
      .integer(3, code)
      .text(4, message)
      .take();
}
Result<SessionStatus> SessionStatus::decode(ByteSpan in) {
  return decode_as<SessionStatus>(in, [](SessionStatus& m, const F& f) {
    Status s;
    (void)(text_of(f, 1, m.consumer_id, s) || text_of(f, 2, m.session_id, s) ||
           integer_of(f, 3, m.code) || text_of(f, 4, m.message, s));
    return s;
  });
}

Bytes Invoice::encode() const {
  return ProtoWriter()
      .text(1, agreement_id)
      .text(2, agreement_total)
      .text(3, transactor_fee)
      .text(4, hashlock)
      .text(5, provider)
      .integer(6, chain_id)
      .take();
}
Result<Invoice> Invoice::decode(ByteSpan in) {
  return decode_as<Invoice>(in, [](Invoice& m, const F& f) {
    Status s;
    (void)(text_of(f, 1, m.agreement_id, s) || text_of(f, 2, m.agreement_total, s) ||
           text_of(f, 3, m.transactor_fee, s) || text_of(f, 4, m.hashlock, s) ||
           text_of(f, 5, m.provider, s) || integer_of(f, 6, m.chain_id));
    return s;
  });
}

Bytes Promise::encode() const {
  return ProtoWriter()
      .bytes(1, channel_id)
      .text(2, amount)
      .text(3, fee)
      .bytes(4, hashlock)
      .bytes(5, r)
      .integer(6, chain_id)
      .bytes(7, signature)
      .take();
}
Result<Promise> Promise::decode(ByteSpan in) {
  Promise m;
  const Status status = merge(in, m);
  if (!status.ok()) return status.error();
  return m;
}

Bytes ExchangeMessage::encode() const {
  ProtoWriter w;
  if (promise) w.message(1, promise->encode());
  return w.text(2, agreement_id)
      .text(3, agreement_total)
      .text(4, provider)
      .text(5, signature)
      .text(6, hermes_id)
      .integer(7, chain_id)
      .take();
}
Result<ExchangeMessage> ExchangeMessage::decode(ByteSpan in) {
  return decode_as<ExchangeMessage>(in, [](ExchangeMessage& m, const F& f) -> Status {
    if (f.is(1, WireType::Bytes)) return merge_sub(f, m.promise);
    Status s;
    (void)(text_of(f, 2, m.agreement_id, s) || text_of(f, 3, m.agreement_total, s) ||
           text_of(f, 4, m.provider, s) || text_of(f, 5, m.signature, s) ||
           text_of(f, 6, m.hermes_id, s) || integer_of(f, 7, m.chain_id));
    return s;
  });
}

}  // namespace myst::core::pb
