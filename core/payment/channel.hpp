// Where promises are cashed: deterministic addresses of channels and Hermes contracts, and the ids
// of provider channels. Pure arithmetic; nothing asks the chain.
#pragma once

#include "core/base/span.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::payment {

// EIP-1167 init code of a proxy for `implementation`, hashed: what CREATE2 takes.
Digest32 proxy_code_hash(const Address& implementation);
Address create2(const Address& deployer, const ByteArray<32>& salt, const Digest32& code_hash);

Address consumer_channel(const Address& identity, const Address& hermes, const Address& registry,
                         const Address& channel_implementation);
Address hermes_contract(const Address& operator_key, const Address& registry,
                        const Address& hermes_implementation);
// keccak(identity, hermes): a key inside the Hermes contract, and the salt of the consumer channel.
Digest32 provider_channel_id(const Address& identity, const Address& hermes);
Digest32 withdrawal_channel_id(const Address& identity, const Address& hermes);

// Left-padded with zeros to a chain word.
ByteArray<32> to_word(const Address& address);

}  // namespace myst::payment
