#include "drivers/keystore/key_ring.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <new>

namespace myst::keystore {
namespace {

constexpr std::size_t kSlot = sizeof(LocalSigner);
constexpr std::size_t kSize = kSlot * KeyRing::kCapacity;
static_assert(kSize <= 4096, "one page");

}  // namespace

KeyRing::KeyRing() {
  memory_ = ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) std::abort();  // one page, at start: nothing will work
  locked_ = ::mlock(memory_, kSize) == 0;
  (void)::madvise(memory_, kSize, MADV_DONTDUMP);
  (void)::madvise(memory_, kSize, MADV_DONTFORK);
}

KeyRing::~KeyRing() {
  for (LocalSigner* const signer : used_) {
    if (signer != nullptr) signer->~LocalSigner();
  }
  wipe(memory_, kSize);
  (void)::munmap(memory_, kSize);
}

Result<const Signer*> KeyRing::add(const Secret<32>& key) {
  MYST_TRY_ASSIGN(LocalSigner signer, LocalSigner::from_key(key));
  if (const Signer* const present = find(signer.address())) return present;
  for (std::size_t i = 0; i < used_.size(); ++i) {
    if (used_[i] != nullptr) continue;
    void* const slot = static_cast<std::uint8_t*>(memory_) + i * kSlot;
    used_[i] = new (slot) LocalSigner(std::move(signer));
    return static_cast<const Signer*>(used_[i]);
  }
  return Error{Errc::Full, 0, "too many unlocked identities"};
}

const Signer* KeyRing::find(const Address& address) const {
  for (const LocalSigner* const signer : used_) {
    if (signer != nullptr && signer->address() == address) return signer;
  }
  return nullptr;
}

void KeyRing::remove(const Address& address) {
  for (LocalSigner*& signer : used_) {
    if (signer == nullptr || signer->address() != address) continue;
    signer->~LocalSigner();  // wipes the key
    signer = nullptr;
  }
}

std::vector<Address> KeyRing::addresses() const {
  std::vector<Address> out;
  for (const LocalSigner* const signer : used_) {
    if (signer != nullptr) out.push_back(signer->address());
  }
  return out;
}

}  // namespace myst::keystore
