// Unlocked identities. Their keys live in one page that is locked into memory (never swapped), left
// out of core dumps and of child processes, and wiped.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/secret.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signer.hpp"

namespace myst::keystore {

class KeyRing {
 public:
  static constexpr std::size_t kCapacity = 32;

  KeyRing();
  ~KeyRing();
  KeyRing(const KeyRing&) = delete;
  KeyRing& operator=(const KeyRing&) = delete;

  // False: the system allows no locked memory (RLIMIT_MEMLOCK); keys could reach the swap.
  bool memory_locked() const { return locked_; }

  // The signer stays valid until remove() or the end of the ring. Adding again gives the same one.
  // Full: kCapacity identities are unlocked; Malformed: not a private key.
  Result<const Signer*> add(const Secret<32>& key);
  const Signer* find(const Address& address) const;  // nullptr: locked
  void remove(const Address& address);
  std::vector<Address> addresses() const;

 private:
  void* memory_ = nullptr;  // slots of LocalSigner
  bool locked_ = false;
  std::array<LocalSigner*, kCapacity> used_{};  // into memory_; nullptr: free
};

}  // namespace myst::keystore
