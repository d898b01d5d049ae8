// Codec of one key file: Web3 secret storage version 3 (and version 1, read only). Pure and slow:
// scrypt runs inside, so callers are on a worker thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "core/base/secret.hpp"
#include "core/base/span.hpp"
#include "core/crypto/scrypt.hpp"
#include "core/identity/address.hpp"

namespace myst::keystore {

inline constexpr std::size_t kMaxFileSize = 64 * 1024;
inline constexpr ScryptCost kLightCost{4096, 8, 6};       // 4 MB: the default
inline constexpr ScryptCost kStandardCost{262144, 8, 1};  // 256 MB

// The address a file claims: its top-level "address", any case, with or without 0x. NotFound: not
// JSON, no address or a zero one: the file is no account. Nothing else of it is looked at.
Result<Address> claimed_address(std::string_view json);

struct OpenedKey {
  Secret<32> key;
  Address address;  // derived from the key, whatever the file claims
  std::string id;   // UUID text
};

// memory_limit: what scrypt may take now. Errors: Malformed (damaged or nonsense), Unsupported
// (another cipher, key derivation or version), Unauthorized (wrong passphrase), Unavailable (the
// file asks for more than memory_limit; detail: megabytes).
Result<OpenedKey> open_key(std::string_view json, ByteSpan passphrase, std::uint64_t memory_limit);

// Everything random a new file needs, drawn where the Rng lives.
struct FileSeed {
  explicit FileSeed(Rng& rng);
  ByteArray<32> salt;
  ByteArray<16> iv;
  std::string id;  // UUID version 4
};

// Single line, members in the order the reference writes them. Malformed: not a private key.
// Unavailable: as open_key.
Result<std::string> seal_key(const Secret<32>& key, ByteSpan passphrase, const ScryptCost& cost,
                             const FileSeed& seed, std::uint64_t memory_limit);

// UTC--<time with nine digits of a second, colons as dashes>Z--<40 hex digits>
std::string key_file_name(const Address& address, std::int64_t unix_nanoseconds);

}  // namespace myst::keystore
