// The identities of a node: list, create, unlock, lock, import, export, and which one to use. What
// decrypts or touches the disk runs on a work queue, best one of its own, since scrypt takes a
// second; completions and everything else belong to the loop's thread.
//
//   Keystore keystore(loop, work, rng, {data_dir + "/keystore"});
//   keystore.use_or_create(std::nullopt, "", [&](Result<Keystore::Used> used) { ... });
//   const Signer* signer = keystore.signer(used->address);
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/rng.hpp"
#include "drivers/keystore/directory.hpp"
#include "drivers/keystore/key_file.hpp"
#include "drivers/keystore/key_ring.hpp"
#include "platform/loop/loop.hpp"
#include "platform/loop/work_queue.hpp"

namespace myst::keystore {

class Keystore {
 public:
  struct Config {
    std::string path;
    ScryptCost cost = kLightCost;  // of files we write; reading honours each file's own
    // What scrypt may take; empty: asked of the system each time.
    std::function<std::uint64_t()> memory_limit;
  };
  // What use_or_create() did, for the events the node publishes.
  struct Used {
    Address address;
    bool created = false;
    bool unlocked_now = false;  // false: it was unlocked already
  };
  // Completions run on the loop, never inside the call. Errors of all: Malformed, Unsupported
  // (file), Unauthorized (passphrase), NotFound, Rejected (several files of one address),
  // Unavailable (memory), Full (KeyRing::kCapacity), Io.
  template <typename T>
  using Done = std::function<void(Result<T>)>;
  using Passphrase = std::string_view;  // raw bytes; a zero byte is one like any other

  Keystore(platform::Loop& loop, platform::WorkQueue& work, Rng& rng, Config config);
  ~Keystore();  // completions that wait are dropped
  Keystore(const Keystore&) = delete;
  Keystore& operator=(const Keystore&) = delete;

  // Addresses in file order, as they are on disk now; one with two files stands twice.
  std::vector<Address> list();
  bool contains(const Address& address);
  std::vector<std::string> damaged_files();

  const Signer* signer(const Address& address) const { return ring_.find(address); }
  // False: the system allows no locked memory, keys could reach the swap.
  bool memory_locked() const { return ring_.memory_locked(); }
  bool unlocked(const Address& address) const { return signer(address) != nullptr; }
  const KeyRing& ring() const { return ring_; }
  void lock(const Address& address) { ring_.remove(address); }

  // Each returns an error, and never calls done, when the queue is full; else done is called once.
  // A new key and its file; it stays locked.
  Status create(Passphrase passphrase, Done<Address> done);
  // true: it was locked before. An unlocked identity accepts any passphrase, as the reference does.
  Status unlock(const Address& address, Passphrase passphrase, Done<bool> done);
  // AlreadyExists when the address has a file. The identity stays locked.
  Status import_key(std::string json, Passphrase current, Passphrase next, Done<Address> done);
  // The key file's text under another passphrase, with the same id.
  Status export_key(const Address& address, Passphrase current, Passphrase next,
                    Done<std::string> done);
  // Given: that one. Otherwise a new one if there is none at all, else the remembered one, else the
  // first. It ends unlocked, and remembered unless it was already.
  Status use_or_create(std::optional<Address> wanted, Passphrase passphrase, Done<Used> done);
  Status remember(const Address& address, Done<Address> done);  // NotFound: no such identity

 private:
  struct Job;
  std::shared_ptr<Job> make_job(Passphrase current, Passphrase next);
  template <typename T>
  Status run(std::shared_ptr<Job> job, Result<T> (Job::*work)(), Done<T> done);

  platform::Loop& loop_;
  platform::WorkQueue& work_;
  Rng& rng_;
  Config config_;
  Directory directory_;
  KeyRing ring_;
  std::shared_ptr<Keystore*> self_;  // null pointee once this is gone
};

}  // namespace myst::keystore
