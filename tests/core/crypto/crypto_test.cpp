// Known answers from the documents that define the algorithms.
#include <gtest/gtest.h>

#include <string>

#include "core/base/text.hpp"
#include "core/crypto/aead.hpp"
#include "core/crypto/aes.hpp"
#include "core/crypto/blake2s.hpp"
#include "core/crypto/box.hpp"
#include "core/crypto/keccak.hpp"
#include "core/crypto/scrypt.hpp"
#include "core/crypto/secp256k1.hpp"
#include "core/crypto/sha2.hpp"
#include "core/crypto/x25519.hpp"
#include "tests/support/support.hpp"

namespace myst {
namespace {

template <std::size_t N>
ByteArray<N> hex(std::string_view text) {
  ByteArray<N> out{};
  EXPECT_TRUE(from_hex(text, out).ok()) << text;
  return out;
}

std::string sequence(std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += static_cast<char>(i & 0xff);
  return out;
}

TEST(Keccak, KnownAnswers) {
  EXPECT_EQ(to_hex(keccak256({})),
            "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470");
  EXPECT_EQ(to_hex(keccak256(as_bytes("abc"))),
            "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45");
}

TEST(Keccak, PiecesGiveWhatTheWholeGives) {
  const std::string text = sequence(1000);
  for (const std::size_t size : {135u, 136u, 137u, 271u, 272u, 273u, 1000u}) {
    const ByteSpan data = as_bytes(text).first(size);
    const Digest32 whole = keccak256(data);
    for (const std::size_t step : {1u, 7u, 136u, 200u}) {
      Keccak256 hash;
      for (std::size_t at = 0; at < size; at += step) {
        hash.update(data.subspan(at, std::min(step, size - at)));
      }
      EXPECT_EQ(hash.finish(), whole) << size << " by " << step;
    }
  }
}

TEST(Sha2, KnownAnswers) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  // RFC 4231 case 2.
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // RFC 5869 cases 1 and 3.
  ByteArray<42> okm;
  hkdf_sha256(hex<13>("000102030405060708090a0b0c"), Bytes(22, 0x0b),
              hex<10>("f0f1f2f3f4f5f6f7f8f9"), okm);
  EXPECT_EQ(to_hex(okm),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
  hkdf_sha256({}, Bytes(22, 0x0b), {}, okm);
  EXPECT_EQ(to_hex(okm),
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

TEST(Sha2, Pbkdf2) {
  // RFC 7914 section 11.
  ByteArray<64> out;
  pbkdf2_hmac_sha256(as_bytes("passwd"), as_bytes("salt"), 1, out);
  EXPECT_EQ(to_hex(out),
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
            "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

TEST(Scrypt, KnownAnswers) {
  // RFC 7914 section 12.
  ByteArray<64> out;
  ASSERT_TRUE(scrypt(as_bytes("password"), as_bytes("NaCl"), {1024, 8, 16}, out).ok());
  EXPECT_EQ(to_hex(out),
            "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
            "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

TEST(Scrypt, AbsurdParametersAreErrors) {
  ByteArray<32> out;
  for (const ScryptCost& cost :
       {ScryptCost{0, 8, 1}, ScryptCost{1, 8, 1}, ScryptCost{3, 8, 1}, ScryptCost{16, 0, 1},
        ScryptCost{16, 8, 0}, ScryptCost{std::uint64_t{1} << 62, 8, 1},
        ScryptCost{16, UINT32_MAX, UINT32_MAX}}) {
    EXPECT_FALSE(scrypt({}, {}, cost, out).ok()) << cost.n;
  }
}

TEST(Blake2s, KnownAnswers) {
  // RFC 7693 appendix B, and the reference test vectors (keyed, sequential input).
  EXPECT_EQ(to_hex(blake2s({as_bytes("abc")})),
            "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
  EXPECT_EQ(to_hex(blake2s({})),
            "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9");
  const auto key = hex<32>("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
  Digest32 out;
  Blake2s(32, key).finish(out);
  EXPECT_EQ(to_hex(out), "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49");
  Blake2s(32, key).update(as_bytes(sequence(255))).finish(out);
  EXPECT_EQ(to_hex(out), "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd");
}

TEST(Blake2s, PiecesGiveWhatTheWholeGives) {
  const std::string text = sequence(300);
  for (const std::size_t size : {0u, 63u, 64u, 65u, 128u, 129u, 300u}) {
    const ByteSpan data = as_bytes(text).first(size);
    for (const std::size_t cut : {std::size_t{0}, size / 2, size}) {
      EXPECT_EQ(blake2s({data.first(cut), data.subspan(cut)}), blake2s({data})) << size;
    }
  }
}

TEST(X25519, KnownAnswer) {
  // RFC 7748 section 6.1.
  const Secret<32> alice(
      hex<32>("77076d0a7318a57d3c16c17251b26645df4c1b5d7c6d3f3c9e4b8d8a8e9a4c2a"));
  test::SeededRng rng(3);
  const auto a = x25519::make_pair(rng), b = x25519::make_pair(rng);
  EXPECT_TRUE(*x25519::shared(a.secret, b.public_key) == *x25519::shared(b.secret, a.public_key));
  const Secret<32> scalar(
      hex<32>("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"));
  const auto out = x25519::shared(
      scalar, hex<32>("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"));
  EXPECT_EQ(to_hex(out->bytes()),
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
  EXPECT_FALSE(x25519::shared(alice, x25519::PublicKey{}).ok());
}

TEST(Box, OpensWhatWasSealedAndNothingElse) {
  test::SeededRng rng(4);
  const auto a = x25519::make_pair(rng), b = x25519::make_pair(rng);
  const auto key = box_precompute(a.secret, b.public_key);
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(*key == *box_precompute(b.secret, a.public_key));
  const auto nonce = rng.bytes<24>();
  Bytes sealed = box_seal(*key, nonce, as_bytes("hello"));
  EXPECT_EQ(sealed.size(), 21u);
  EXPECT_EQ(as_text(*box_open(*key, nonce, sealed)), "hello");
  sealed[20] ^= 1;
  EXPECT_FALSE(box_open(*key, nonce, sealed).ok());
  EXPECT_FALSE(box_open(*key, nonce, ByteSpan(sealed).first(15)).ok());
}

TEST(Aead, BothLibrariesAgree) {
  // RFC 8439 section 2.8.2 for the one with associated data.
  const Secret<32> key(hex<32>("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"));
  const std::string text =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the "
      "future, sunscreen would be it.";
  Bytes sealed(text.size() + kAeadTagSize);
  aead_seal(key, hex<12>("070000004041424344454647"), hex<12>("50515253c0c1c2c3c4c5c6c7"),
            as_bytes(text), sealed);
  EXPECT_EQ(to_hex(ByteSpan(sealed).subspan(text.size())), "1ae10b594f09e26a7e902ecbd0600691");

  BulkAead sealer(BulkAead::Direction::Seal), opener(BulkAead::Direction::Open);
  test::SeededRng rng(5);
  for (const std::size_t size :
       {0u, 1u, 16u, 63u, 64u, 65u, 1420u, 1440u, 2047u, 2048u, 2049u, 9000u}) {
    const Secret<32> random(rng.bytes<32>());
    ASSERT_TRUE(sealer.set_key(random) && opener.set_key(random));
    const std::uint64_t counter = rng.u64();
    const std::string plain = sequence(size);
    Bytes buffer(plain.begin(), plain.end()), other(size + kAeadTagSize);
    buffer.resize(size + kAeadTagSize);
    ASSERT_TRUE(sealer.seal(counter, buffer));
    aead_seal(random, counter_nonce(counter), {}, as_bytes(plain), other);
    EXPECT_EQ(buffer, other) << size;
    Bytes altered = buffer;
    altered[altered.size() / 2] ^= 4;
    EXPECT_FALSE(opener.open(counter, altered));
    EXPECT_FALSE(opener.open(counter + 1, altered));
    ASSERT_TRUE(opener.open(counter, buffer));
    EXPECT_EQ(as_text(ByteSpan(buffer).first(size)), plain);
    Bytes plain_again(size);
    EXPECT_TRUE(aead_open(random, counter_nonce(counter), {}, other, plain_again).ok());
    other[0] ^= 1;
    EXPECT_FALSE(aead_open(random, counter_nonce(counter), {}, other, plain_again).ok());
  }
  EXPECT_FALSE(opener.open(0, MutableByteSpan(sealed).first(15)));
}

TEST(Aead, ExtendedNonceOpensItsOwn) {
  test::SeededRng rng(6);
  const Secret<32> key(rng.bytes<32>());
  const auto nonce = rng.bytes<24>();
  ByteArray<32> sealed;
  ByteArray<16> plain = rng.bytes<16>(), back;
  xaead_seal(key, nonce, as_bytes("mac1"), plain, sealed);
  ASSERT_TRUE(xaead_open(key, nonce, as_bytes("mac1"), sealed, back).ok());
  EXPECT_EQ(back, plain);
  EXPECT_FALSE(xaead_open(key, nonce, as_bytes("mac2"), sealed, back).ok());
}

TEST(Crypto, NothingIsAnInputLikeAnyOther) {
  // Views of nothing have null pointers, which libraries may forbid.
  ByteArray<32> out;
  EXPECT_TRUE(scrypt({}, {}, {2, 1, 1}, out).ok());
  pbkdf2_hmac_sha256({}, {}, 1, out);
  hkdf_sha512({}, {}, {}, out);
  EXPECT_EQ(hmac_sha256({}, {}), hmac_sha256(ByteArray<1>{}, {}));  // both are padded with zeros
  salsa20_xor(Secret<32>(), {}, {});
  EXPECT_EQ(box_open(Secret<32>(), {}, box_seal(Secret<32>(), {}, {}))->size(), 0u);
  EXPECT_EQ(aes256_gcm_open(Secret<32>(), {}, aes256_gcm_seal(Secret<32>(), {}, {}))->size(), 0u);
  aes128_ctr(Secret<16>(), {}, {});
  EXPECT_TRUE(aes128_cbc_decrypt(Secret<16>(), {}, {}).ok());
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  ByteArray<16> tag;
  aead_seal(Secret<32>(), {}, {}, {}, tag);
  EXPECT_TRUE(aead_open(Secret<32>(), {}, {}, tag, {}).ok());
  xaead_seal(Secret<32>(), {}, {}, {}, tag);
  EXPECT_TRUE(xaead_open(Secret<32>(), {}, {}, tag, {}).ok());
}

TEST(Aes, KnownAnswers) {
  // NIST SP 800-38A F.5.1, first block, and the all-zero case 13 of the GCM specification.
  const Secret<16> key(hex<16>("2b7e151628aed2a6abf7158809cf4f3c"));
  auto data = hex<16>("6bc1bee22e409f96e93d7e117393172a");
  aes128_ctr(key, hex<16>("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"), data);
  EXPECT_EQ(to_hex(data), "874d6191b620e3261bef6864990db6ce");
  EXPECT_EQ(to_hex(aes256_gcm_seal(Secret<32>(), {}, {})), "530f8afbc74536b9a963b4f1c4cb738b");
  Bytes sealed = aes256_gcm_seal(Secret<32>(), {}, as_bytes("text"));
  EXPECT_EQ(as_text(*aes256_gcm_open(Secret<32>(), {}, sealed)), "text");
  sealed[0] ^= 1;
  EXPECT_FALSE(aes256_gcm_open(Secret<32>(), {}, sealed).ok());
  // SP 800-38A F.2.2, first block.
  auto block = hex<16>("7649abac8119b246cee98e9b12e9197d");
  ASSERT_TRUE(aes128_cbc_decrypt(key, hex<16>("000102030405060708090a0b0c0d0e0f"), block).ok());
  EXPECT_EQ(to_hex(block), "6bc1bee22e409f96e93d7e117393172a");
  EXPECT_FALSE(aes128_cbc_decrypt(key, {}, MutableByteSpan(block).first(15)).ok());
}

TEST(Secp256k1, RecoversWhoSigned) {
  test::SeededRng rng(7);
  secp256k1::blind(rng);
  for (int i = 0; i < 20; ++i) {
    const auto key = secp256k1::make_key(rng);
    const Digest32 digest = rng.bytes<32>();
    auto signature = *secp256k1::sign(key, digest);
    EXPECT_LT(signature[64], 2);
    EXPECT_LT(signature[32], 0x80);  // low s
    EXPECT_EQ(*secp256k1::recover(digest, signature), *secp256k1::public_key(key));
    signature[64] = 4;
    EXPECT_FALSE(secp256k1::recover(digest, signature).ok());
  }
  EXPECT_FALSE(secp256k1::public_key(Secret<32>()).ok());
  EXPECT_FALSE(secp256k1::sign(Secret<32>(), Digest32{}).ok());
}

}  // namespace
}  // namespace myst
