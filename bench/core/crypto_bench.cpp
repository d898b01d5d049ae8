// The crypto facade against the bare libraries, and promises against bare libsecp256k1. A pair is
// measured in turns within one benchmark, so that a busy machine slows both sides alike; the
// counter "percent" is bare time over our time.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <sodium.h>

#include <chrono>
#include <cstdlib>

#include "core/base/rng.hpp"
#include "core/crypto/aead.hpp"
#include "core/crypto/blake2s.hpp"
#include "core/crypto/box.hpp"
#include "core/crypto/keccak.hpp"
#include "core/crypto/secp256k1.hpp"
#include "core/identity/signer.hpp"
#include "core/payment/price.hpp"
#include "core/payment/promise.hpp"
#include "platform/system/random.hpp"

namespace {

using namespace myst;
using Clock = std::chrono::steady_clock;

platform::SystemRng rng;

// Runs both, `kTurn` calls at a time, and reports our time and the ratio.
template <typename Bare, typename Ours>
void compare(benchmark::State& state, Bare bare, Ours ours, std::size_t bytes = 0) {
  constexpr int kTurn = 8;
  Clock::duration bare_time{}, our_time{};
  for (auto _ : state) {
    const auto start = Clock::now();
    for (int i = 0; i < kTurn; ++i) bare();
    const auto middle = Clock::now();
    for (int i = 0; i < kTurn; ++i) ours();
    const auto end = Clock::now();
    bare_time += middle - start;
    our_time += end - middle;
    state.SetIterationTime(std::chrono::duration<double>(end - middle).count() / kTurn);
  }
  state.counters["percent"] = 100.0 * std::chrono::duration<double>(bare_time).count() /
                              std::chrono::duration<double>(our_time).count();
  if (bytes != 0) {
    state.SetBytesProcessed(static_cast<std::int64_t>(bytes) * state.iterations());
  }
}

struct Secp {
  secp256k1_context* context =
      secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);
  Secret<32> key = secp256k1::make_key(rng);
  Digest32 digest = rng.bytes<32>();
  secp256k1_ecdsa_recoverable_signature signature{};

  Secp() { sign(); }
  ~Secp() { secp256k1_context_destroy(context); }
  void sign() {
    (void)secp256k1_ecdsa_sign_recoverable(context, &signature, digest.data(), key.data(), nullptr,
                                           nullptr);
    benchmark::DoNotOptimize(signature);
  }
  void recover() {
    secp256k1_pubkey point;
    if (secp256k1_ecdsa_recover(context, &point, &signature, digest.data()) != 1) std::abort();
    benchmark::DoNotOptimize(point);
  }
};

void Sign(benchmark::State& state) {
  Secp bare;
  compare(
      state, [&] { bare.sign(); },
      [&] { benchmark::DoNotOptimize(secp256k1::sign(bare.key, bare.digest)); });
}
BENCHMARK(Sign)->UseManualTime();

void Recover(benchmark::State& state) {
  Secp bare;
  const auto signature = *secp256k1::sign(bare.key, bare.digest);
  compare(
      state, [&] { bare.recover(); },
      [&] { benchmark::DoNotOptimize(secp256k1::recover(bare.digest, signature)); });
}
BENCHMARK(Recover)->UseManualTime();

payment::Promise some_promise() {
  payment::Promise promise;
  promise.chain_id = 137;
  promise.channel = rng.bytes<32>();
  promise.amount = 123456789012345678u;
  promise.hashlock = rng.bytes<32>();
  return promise;
}

void PromiseBuildAndSign(benchmark::State& state) {
  Secp bare;
  const LocalSigner signer = *LocalSigner::from_key(bare.key);
  payment::Promise promise = some_promise();
  compare(
      state, [&] { bare.sign(); },
      [&] {
        promise.amount = U256::saturating_add(promise.amount, 1);
        benchmark::DoNotOptimize(payment::sign_promise(signer, promise));
      });
}
BENCHMARK(PromiseBuildAndSign)->UseManualTime();

void PromiseVerify(benchmark::State& state) {
  Secp bare;
  const LocalSigner signer = *LocalSigner::from_key(bare.key);
  const payment::Promise promise = some_promise();
  const Signature signature = *payment::sign_promise(signer, promise);
  compare(
      state, [&] { bare.recover(); },
      [&] {
        const auto who = payment::recover_promise_signer(promise, signature);
        if (*who != signer.address()) std::abort();
      });
}
BENCHMARK(PromiseVerify)->UseManualTime();

// What a consumer does for one invoice after the checks: both signatures.
void InvoicePayment(benchmark::State& state) {
  const LocalSigner signer = LocalSigner::make(rng);
  payment::Promise promise = some_promise();
  payment::ExchangeMessage message;
  message.chain_id = 137;
  for (auto _ : state) {
    promise.amount = U256::saturating_add(promise.amount, 1);
    message.promise_hash = payment::promise_hash(promise);
    benchmark::DoNotOptimize(payment::sign_promise(signer, promise));
    benchmark::DoNotOptimize(payment::sign_exchange(signer, message));
  }
}
BENCHMARK(InvoicePayment);

void InvoiceBound(benchmark::State& state) {
  const payment::Price price{60000000000000u, 100000000000000000u};
  std::uint64_t bytes = 1 << 20;
  for (auto _ : state) {
    bytes += 1000;
    benchmark::DoNotOptimize(
        payment::largest_acceptable_total(std::chrono::seconds{61}, {bytes, bytes}, price));
  }
}
BENCHMARK(InvoiceBound);

void Keccak(benchmark::State& state) {
  const Bytes data(static_cast<std::size_t>(state.range(0)), 1);
  for (auto _ : state) benchmark::DoNotOptimize(keccak256(data));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(Keccak)->Arg(32)->Arg(160)->Arg(4096);

void Blake2sHandshakeHash(benchmark::State& state) {
  const ByteArray<64> data{};
  for (auto _ : state) benchmark::DoNotOptimize(blake2s({data}));
}
BENCHMARK(Blake2sHandshakeHash);

void BoxSeal(benchmark::State& state) {
  const auto a = x25519::make_pair(rng), b = x25519::make_pair(rng);
  const Secret<32> key = *box_precompute(a.secret, b.public_key);
  const auto nonce = rng.bytes<24>();
  const Bytes plaintext(64, 1);
  Bytes out(plaintext.size() + kBoxTagSize);
  compare(
      state,
      [&] {
        (void)crypto_box_easy_afternm(out.data(), plaintext.data(), plaintext.size(), nonce.data(),
                                      key.data());
        benchmark::ClobberMemory();
      },
      [&] { benchmark::DoNotOptimize(box_seal(key, nonce, plaintext)); }, plaintext.size());
}
BENCHMARK(BoxSeal)->UseManualTime();

void Salsa20(benchmark::State& state) {
  const Secret<32> key(rng.bytes<32>());
  const auto nonce = rng.bytes<8>();
  Bytes data(1400);
  for (auto _ : state) salsa20_xor(key, nonce, data);
  state.SetBytesProcessed(state.iterations() * 1400);
}
BENCHMARK(Salsa20);

void AeadSeal(benchmark::State& state) {
  const Secret<32> key(rng.bytes<32>());
  const auto size = static_cast<std::size_t>(state.range(0));
  Bytes buffer(size + kAeadTagSize);
  BulkAead ours(BulkAead::Direction::Seal);
  if (!ours.set_key(key)) std::abort();
  EVP_CIPHER_CTX* const bare = EVP_CIPHER_CTX_new();
  EVP_EncryptInit_ex(bare, EVP_chacha20_poly1305(), nullptr, key.data(), nullptr);
  std::uint64_t counter = 0;
  compare(
      state,
      [&] {
        const AeadNonce nonce = counter_nonce(counter++);
        int written = 0;
        EVP_EncryptInit_ex(bare, nullptr, nullptr, nullptr, nonce.data());
        EVP_EncryptUpdate(bare, buffer.data(), &written, buffer.data(), static_cast<int>(size));
        EVP_EncryptFinal_ex(bare, buffer.data() + size, &written);
        EVP_CIPHER_CTX_ctrl(bare, EVP_CTRL_AEAD_GET_TAG, kAeadTagSize, buffer.data() + size);
      },
      [&] {
        if (!ours.seal(counter++, buffer)) std::abort();
      },
      size);
  EVP_CIPHER_CTX_free(bare);
}
BENCHMARK(AeadSeal)->Arg(64)->Arg(1420)->UseManualTime();

void AeadOpen(benchmark::State& state) {
  const Secret<32> key(rng.bytes<32>());
  const auto size = static_cast<std::size_t>(state.range(0));
  BulkAead sealer(BulkAead::Direction::Seal), opener(BulkAead::Direction::Open);
  Bytes sealed(size + kAeadTagSize), buffer;
  if (!sealer.set_key(key) || !opener.set_key(key) || !sealer.seal(7, sealed)) std::abort();
  for (auto _ : state) {
    buffer = sealed;
    if (!opener.open(7, buffer)) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(AeadOpen)->Arg(64)->Arg(1420);

// libsodium's, for the choice of library.
void AeadSealSodium(benchmark::State& state) {
  const Secret<32> key(rng.bytes<32>());
  const auto size = static_cast<std::size_t>(state.range(0));
  Bytes buffer(size + kAeadTagSize);
  std::uint64_t counter = 0;
  for (auto _ : state) {
    aead_seal(key, counter_nonce(counter++), {}, ByteSpan(buffer).first(size), buffer);
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(AeadSealSodium)->Arg(64)->Arg(1420);

void X25519Shared(benchmark::State& state) {
  const auto a = x25519::make_pair(rng), b = x25519::make_pair(rng);
  for (auto _ : state) benchmark::DoNotOptimize(x25519::shared(a.secret, b.public_key));
}
BENCHMARK(X25519Shared);

}  // namespace
