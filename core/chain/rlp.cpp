#include "core/chain/rlp.hpp"

namespace myst::chain {
namespace {

constexpr std::uint8_t kShortString = 0x80, kLongString = 0xb7;
constexpr std::uint8_t kShortList = 0xc0, kLongList = 0xf7;

void put_length(Bytes& out, std::size_t size, std::uint8_t short_form, std::uint8_t long_form) {
  if (size <= 55) {
    out.push_back(static_cast<std::uint8_t>(short_form + size));
    return;
  }
  const Bytes length = U256(size).to_minimal_bytes();
  out.push_back(static_cast<std::uint8_t>(long_form + length.size()));
  out.insert(out.end(), length.begin(), length.end());
}

}  // namespace

RlpList& RlpList::bytes(ByteSpan value) {
  if (value.size() != 1 || value[0] >= kShortString) {
    put_length(payload_, value.size(), kShortString, kLongString);
  }
  payload_.insert(payload_.end(), value.begin(), value.end());
  return *this;
}

RlpList& RlpList::number(const U256& value) { return bytes(value.to_minimal_bytes()); }

RlpList& RlpList::list(const RlpList& inner) {
  const Bytes encoded = inner.finish();
  payload_.insert(payload_.end(), encoded.begin(), encoded.end());
  return *this;
}

Bytes RlpList::finish() const {
  Bytes out;
  put_length(out, payload_.size(), kShortList, kLongList);
  out.insert(out.end(), payload_.begin(), payload_.end());
  return out;
}

}  // namespace myst::chain
