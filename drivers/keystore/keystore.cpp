#include "drivers/keystore/keystore.hpp"

#include <algorithm>
#include <utility>

#include "core/crypto/secp256k1.hpp"
#include "drivers/keystore/memory.hpp"

namespace myst::keystore {

// What a worker needs, copied: it shares nothing with the loop's thread. Secrets wipe themselves.
struct Keystore::Job {
  Job(const Config& config, Rng& rng)
      : directory(config.path), cost(config.cost), ask_limit(config.memory_limit), seed(rng) {}
  ~Job() {
    wipe(current.data(), current.size());
    wipe(next.data(), next.size());
  }
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  Result<Address> create();
  Result<bool> unlock();
  Result<Address> import_key();
  Result<std::string> export_key();
  Result<Used> use_or_create();
  Result<Address> remember();

  Directory directory;
  ScryptCost cost;
  std::function<std::uint64_t()> ask_limit;
  FileSeed seed;
  std::int64_t unix_nanoseconds = 0;
  Bytes current, next;  // passphrases
  Secret<32> fresh_key;
  std::optional<Address> wanted;
  std::vector<Address> unlocked;    // when the job was queued
  std::string json;                 // to import
  std::optional<OpenedKey> opened;  // out: for the ring

 private:
  std::uint64_t limit() const { return ask_limit ? ask_limit() : memory_for_scrypt(); }
  Result<OpenedKey> open_file(const Address& address);
  Status store(const Secret<32>& key, const Address& address);
  Result<Used> use(const Address& address);
};

Result<OpenedKey> Keystore::Job::open_file(const Address& address) {
  MYST_TRY_ASSIGN(const std::string text, directory.read(address));
  MYST_TRY_ASSIGN(OpenedKey key, open_key(text, current, limit()));
  if (key.address != address) return Error{Errc::Malformed, 0, "key content mismatch"};
  return key;
}

// Sealed, opened again as a check, written: a key that cannot be read back is money lost.
Status Keystore::Job::store(const Secret<32>& key, const Address& address) {
  MYST_TRY_ASSIGN(const std::string text, seal_key(key, next, cost, seed, limit()));
  MYST_TRY_ASSIGN(const OpenedKey check, open_key(text, next, limit()));
  if (check.key != key) return Error{Errc::Internal, 0, "sealed key does not open"};
  return directory.write(address, text, unix_nanoseconds);
}

Result<Address> Keystore::Job::create() {
  MYST_TRY_ASSIGN(const auto public_key, secp256k1::public_key(fresh_key));
  const Address address = Address::of(public_key);
  MYST_TRY(store(fresh_key, address));
  return address;
}

Result<bool> Keystore::Job::unlock() {
  if (std::find(unlocked.begin(), unlocked.end(), *wanted) != unlocked.end()) return false;
  MYST_TRY_ASSIGN(opened, open_file(*wanted));
  return true;
}

Result<Address> Keystore::Job::import_key() {
  MYST_TRY_ASSIGN(const OpenedKey key, open_key(json, current, limit()));
  for (const auto& account : directory.list().accounts) {
    if (account.address == key.address) {
      return Error{Errc::AlreadyExists, 0, "account already exists"};
    }
  }
  MYST_TRY(store(key.key, key.address));
  return key.address;
}

Result<std::string> Keystore::Job::export_key() {
  MYST_TRY_ASSIGN(const OpenedKey key, open_file(*wanted));
  seed.id = key.id;
  return seal_key(key.key, next, cost, seed, limit());
}

Result<Keystore::Used> Keystore::Job::use(const Address& address) {
  wanted = address;
  MYST_TRY_ASSIGN(const bool now, unlock());
  return Used{address, false, now};
}

// node: identity/selector/handler.go.
Result<Keystore::Used> Keystore::Job::use_or_create() {
  const auto accounts = directory.list().accounts;
  if (!wanted && accounts.empty()) {
    next = current;
    MYST_TRY_ASSIGN(const Address address, create());
    MYST_TRY(directory.remember(address));
    opened = OpenedKey{fresh_key, address, seed.id};
    return Used{address, true, true};
  }
  if (!wanted) {
    if (const auto remembered = directory.remembered()) {
      if (const auto used = use(*remembered); used.ok()) return used;
    }
    wanted = accounts.front().address;
  }
  const Address address = *wanted;
  MYST_TRY_ASSIGN(const Used used, use(address));
  MYST_TRY(directory.remember(address));
  return used;
}

Result<Address> Keystore::Job::remember() {
  for (const auto& account : directory.list().accounts) {
    if (account.address != *wanted) continue;
    MYST_TRY(directory.remember(*wanted));
    return *wanted;
  }
  return Error{Errc::NotFound, 0, "identity not found"};
}

Keystore::Keystore(platform::Loop& loop, platform::WorkQueue& work, Rng& rng, Config config)
    : loop_(loop),
      work_(work),
      rng_(rng),
      config_(std::move(config)),
      directory_(config_.path),
      self_(std::make_shared<Keystore*>(this)) {}

Keystore::~Keystore() { *self_ = nullptr; }

std::vector<Address> Keystore::list() {
  std::vector<Address> out;
  for (const auto& account : directory_.list().accounts) out.push_back(account.address);
  return out;
}

bool Keystore::contains(const Address& address) {
  const auto all = list();
  return std::find(all.begin(), all.end(), address) != all.end();
}

std::vector<std::string> Keystore::damaged_files() { return directory_.list().damaged; }

std::shared_ptr<Keystore::Job> Keystore::make_job(Passphrase current, Passphrase next) {
  auto job = std::make_shared<Job>(config_, rng_);
  job->unix_nanoseconds =
      std::chrono::duration_cast<std::chrono::nanoseconds>(loop_.now().wall.time_since_epoch())
          .count();
  job->current = to_bytes(as_bytes(current));
  job->next = to_bytes(as_bytes(next));
  job->unlocked = ring_.addresses();
  return job;
}

template <typename T>
Status Keystore::run(std::shared_ptr<Job> job, Result<T> (Job::*work)(), Done<T> done) {
  auto result = std::make_shared<std::optional<Result<T>>>();
  return work_.submit([job, work, result] { result->emplace((job.get()->*work)()); },
                      [job, result, done = std::move(done), self = self_] {
                        if (*self == nullptr) return;
                        if ((*result)->ok() && job->opened) {
                          const auto added = (*self)->ring_.add(job->opened->key);
                          if (!added.ok()) result->emplace(added.error());
                        }
                        done(std::move(**result));
                      });
}

Status Keystore::create(Passphrase passphrase, Done<Address> done) {
  auto job = make_job({}, passphrase);
  job->fresh_key = secp256k1::make_key(rng_);
  return run(std::move(job), &Job::create, std::move(done));
}

Status Keystore::unlock(const Address& address, Passphrase passphrase, Done<bool> done) {
  auto job = make_job(passphrase, {});
  job->wanted = address;
  return run(std::move(job), &Job::unlock, std::move(done));
}

Status Keystore::import_key(std::string json, Passphrase current, Passphrase next,
                            Done<Address> done) {
  auto job = make_job(current, next);
  job->json = std::move(json);
  return run(std::move(job), &Job::import_key, std::move(done));
}

Status Keystore::export_key(const Address& address, Passphrase current, Passphrase next,
                            Done<std::string> done) {
  auto job = make_job(current, next);
  job->wanted = address;
  return run(std::move(job), &Job::export_key, std::move(done));
}

Status Keystore::use_or_create(std::optional<Address> wanted, Passphrase passphrase,
                               Done<Used> done) {
  auto job = make_job(passphrase, {});
  job->wanted = wanted;
  job->fresh_key = secp256k1::make_key(rng_);  // used only where there is no identity yet
  return run(std::move(job), &Job::use_or_create, std::move(done));
}

Status Keystore::remember(const Address& address, Done<Address> done) {
  auto job = make_job({}, {});
  job->wanted = address;
  return run(std::move(job), &Job::remember, std::move(done));
}

}  // namespace myst::keystore
