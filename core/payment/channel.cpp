#include "core/payment/channel.hpp"

#include <algorithm>

#include "core/crypto/keccak.hpp"

namespace myst::payment {
namespace {

Address last20(const Digest32& digest) {
  ByteArray<Address::kSize> bytes;
  std::copy(digest.begin() + 12, digest.end(), bytes.begin());
  return Address(bytes);
}

}  // namespace

Digest32 proxy_code_hash(const Address& implementation) {
  static constexpr std::uint8_t kBefore[] = {0x3d, 0x60, 0x2d, 0x80, 0x60, 0x0a, 0x3d,
                                             0x39, 0x81, 0xf3, 0x36, 0x3d, 0x3d, 0x37,
                                             0x3d, 0x3d, 0x3d, 0x36, 0x3d, 0x73};
  static constexpr std::uint8_t kAfter[] = {0x5a, 0xf4, 0x3d, 0x82, 0x80, 0x3e, 0x90, 0x3d,
                                            0x91, 0x60, 0x2b, 0x57, 0xfd, 0x5b, 0xf3};
  return Keccak256().update(kBefore).update(implementation.bytes()).update(kAfter).finish();
}

Address create2(const Address& deployer, const ByteArray<32>& salt, const Digest32& code_hash) {
  static constexpr std::uint8_t kMark[] = {0xff};  // EIP-1014
  return last20(
      Keccak256().update(kMark).update(deployer.bytes()).update(salt).update(code_hash).finish());
}

Address consumer_channel(const Address& identity, const Address& hermes, const Address& registry,
                         const Address& channel_implementation) {
  return create2(registry, provider_channel_id(identity, hermes),
                 proxy_code_hash(channel_implementation));
}

Address hermes_contract(const Address& operator_key, const Address& registry,
                        const Address& hermes_implementation) {
  return create2(registry, to_word(operator_key), proxy_code_hash(hermes_implementation));
}

Digest32 provider_channel_id(const Address& identity, const Address& hermes) {
  return Keccak256().update(identity.bytes()).update(hermes.bytes()).finish();
}

Digest32 withdrawal_channel_id(const Address& identity, const Address& hermes) {
  return Keccak256()
      .update(identity.bytes())
      .update(hermes.bytes())
      .update(as_bytes("withdrawal"))
      .finish();
}

ByteArray<32> to_word(const Address& address) {
  ByteArray<32> word{};
  std::copy(address.bytes().begin(), address.bytes().end(), word.begin() + 12);
  return word;
}

}  // namespace myst::payment
