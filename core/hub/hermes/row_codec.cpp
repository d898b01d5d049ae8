#include "core/hub/hermes/row_codec.hpp"

#include <algorithm>

#include "core/base/text.hpp"

namespace myst::core::hermes {
namespace {

constexpr std::size_t kPromiseSize = 4 * 32 + 65;
constexpr std::uint8_t kRegistered = 1, kOffchain = 2, kRevealed = 1;

const Error kMalformed{Errc::Malformed, 0, "a row of the ledger"};

template <typename Array>
Bytes bytes_of(const Array& array) {
  return Bytes(array.begin(), array.end());
}
Bytes word(const Wei& amount) { return bytes_of(amount.to_word()); }
Bytes number(std::uint64_t value) {
  Bytes out(8);
  for (std::size_t i = 0; i < 8; ++i) out[i] = static_cast<std::uint8_t>(value >> (56 - 8 * i));
  return out;
}

template <std::size_t N>
Status read(ByteSpan from, ByteArray<N>& out) {
  if (from.size() != N) return kMalformed;
  std::copy(from.begin(), from.end(), out.begin());
  return {};
}
Status read(ByteSpan from, Wei& out) {
  ByteArray<32> bytes;
  MYST_TRY(read(from, bytes));
  out = Wei::from_word(bytes);
  return {};
}
Status read(ByteSpan from, std::uint64_t& out) {
  if (from.size() != 8) return kMalformed;
  out = 0;
  for (const std::uint8_t byte : from) out = out << 8 | byte;
  return {};
}
Status read(ByteSpan from, Secret<32>& out) {
  if (from.size() != 32) return kMalformed;
  std::copy(from.begin(), from.end(), out.mutable_bytes().begin());
  return {};
}
Result<std::uint8_t> read_flags(ByteSpan from) {
  if (from.size() != 1) return kMalformed;
  return from[0];
}

Bytes encode_promise(const SignedPromise& signed_promise) {
  const payment::Promise& promise = signed_promise.promise;
  Bytes out;
  out.reserve(kPromiseSize);
  const auto append = [&](const auto& part) { out.insert(out.end(), part.begin(), part.end()); };
  append(promise.channel);
  append(promise.amount.to_word());
  append(promise.fee.to_word());
  append(promise.hashlock);
  append(signed_promise.signature);
  return out;
}

Status decode_promise(std::uint64_t chain, ByteSpan from, SignedPromise& out) {
  if (from.size() != kPromiseSize) return kMalformed;
  out.promise.chain_id = chain;
  MYST_TRY(read(from.subspan(0, 32), out.promise.channel));
  MYST_TRY(read(from.subspan(32, 32), out.promise.amount));
  MYST_TRY(read(from.subspan(64, 32), out.promise.fee));
  MYST_TRY(read(from.subspan(96, 32), out.promise.hashlock));
  return read(from.subspan(128), out.signature);
}

}  // namespace

Columns<9> encode(const ConsumerAccount& account) {
  const auto flags = static_cast<std::uint8_t>((account.registered ? kRegistered : 0) |
                                               (account.offchain ? kOffchain : 0));
  return {encode_promise(account.latest),
          word(account.accounted),
          word(account.held),
          word(account.opening),
          encode_promise(account.cashable),
          to_bytes(account.cashable_r.bytes()),
          word(account.capacity),
          word(account.settled),
          Bytes{flags}};
}

Result<ConsumerAccount> decode_consumer(std::uint64_t chain, const Columns<9>& columns) {
  ConsumerAccount out;
  MYST_TRY(decode_promise(chain, columns[0], out.latest));
  MYST_TRY(read(columns[1], out.accounted));
  MYST_TRY(read(columns[2], out.held));
  MYST_TRY(read(columns[3], out.opening));
  MYST_TRY(decode_promise(chain, columns[4], out.cashable));
  MYST_TRY(read(columns[5], out.cashable_r));
  MYST_TRY(read(columns[6], out.capacity));
  MYST_TRY(read(columns[7], out.settled));
  MYST_TRY_ASSIGN(const std::uint8_t flags, read_flags(columns[8]));
  out.registered = (flags & kRegistered) != 0;
  out.offchain = (flags & kOffchain) != 0;
  return out;
}

Columns<12> encode(const ProviderAccount& account) {
  const auto recovery = from_hex(account.recovery);
  return {bytes_of(account.latest.promise.channel),
          encode_promise(account.latest),
          word(account.agreement),
          Bytes{account.revealed ? kRevealed : std::uint8_t{0}},
          to_bytes(account.r.bytes()),
          recovery.ok() ? *recovery : Bytes(),
          word(account.recovered),
          number(account.payer.chain),
          bytes_of(account.payer.identity.bytes()),
          encode_promise(account.backing),
          word(account.settled),
          number(static_cast<std::uint64_t>(account.last_settlement))};
}

Result<ProviderAccount> decode_provider(std::uint64_t chain, const Columns<12>& columns) {
  ProviderAccount out;
  MYST_TRY(decode_promise(chain, columns[1], out.latest));
  MYST_TRY(read(columns[2], out.agreement));
  MYST_TRY_ASSIGN(const std::uint8_t flags, read_flags(columns[3]));
  out.revealed = (flags & kRevealed) != 0;
  MYST_TRY(read(columns[4], out.r));
  out.recovery = to_hex(columns[5]);
  MYST_TRY(read(columns[6], out.recovered));
  MYST_TRY(read(columns[7], out.payer.chain));
  MYST_TRY_ASSIGN(out.payer.identity, Address::from_bytes(columns[8]));
  MYST_TRY(decode_promise(out.payer.chain, columns[9], out.backing));
  MYST_TRY(read(columns[10], out.settled));
  std::uint64_t settlement = 0;
  MYST_TRY(read(columns[11], settlement));
  out.last_settlement = static_cast<std::int64_t>(settlement);
  return out;
}

}  // namespace myst::core::hermes
