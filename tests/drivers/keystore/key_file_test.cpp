#include "drivers/keystore/key_file.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "drivers/keystore/key_ring.hpp"
#include "drivers/keystore/memory.hpp"
#include "platform/json/json.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::keystore {
namespace {

constexpr std::uint64_t kPlenty = UINT64_MAX;
constexpr std::uint64_t kSmall = 64u << 20;  // keeps the 256 MB files for the one test of them

ByteSpan text_bytes(const std::string& text) { return as_bytes(text); }

TEST(KeyFile, OpensWhatTheReferenceWroteUnderEveryPassphrase) {
  const auto file = test::vectors("identity.json");
  ASSERT_GT(file.root()["keystore_files"].size(), 0u);
  int opened = 0;
  for (const auto& [name, row] : file.root()["keystore_files"]) {
    const std::string json = row["json_utf8"].string_or("");
    const Bytes passphrase = test::bytes_of(row["passphrase_hex"]);
    const auto key = open_key(json, passphrase, kSmall);
    if (!key.ok() && key.error().code == Errc::Unavailable) continue;
    ASSERT_TRUE(key.ok()) << key.error().what;
    ++opened;
    EXPECT_EQ(to_hex(key->key.bytes()), row["private_key"].string_or(""));
    EXPECT_EQ(key->address.to_string(), row["address"].string_or(""));
    EXPECT_EQ(*claimed_address(json), key->address);
    Bytes wrong = passphrase;
    wrong.push_back('x');
    EXPECT_EQ(open_key(json, wrong, kSmall).error().code, Errc::Unauthorized);
  }
  EXPECT_GE(opened, 8);
}

TEST(KeyFile, OpensStandardScryptToo) {
  const auto file = test::vectors("payments.json");
  bool standard = false;
  for (const auto& [name, row] : file.root()["keystore"]) {
    const std::string json = row["json"].string_or("");
    const std::string passphrase = row["passphrase"].string_or("");
    const auto small = open_key(json, text_bytes(passphrase), kSmall);
    if (!small.ok()) {
      // One of the large ones is enough: each takes a second and 256 MB.
      EXPECT_EQ(small.error().code, Errc::Unavailable);
      EXPECT_EQ(small.error().detail, 256);
      if (standard || memory_for_scrypt() < (300u << 20)) continue;
      standard = true;
    }
    const auto key = open_key(json, text_bytes(passphrase), kPlenty);
    ASSERT_TRUE(key.ok()) << key.error().what;
    EXPECT_EQ("0x" + to_hex(key->key.bytes()), row["private_key"].string_or(""));
    EXPECT_EQ(key->address.to_string(), row["address"].string_or(""));
  }
}

TEST(KeyFile, ReadsAndRefusesWhatTheReferenceDoes) {
  const auto file = test::vectors("identity.json");
  ASSERT_GT(file.root()["keystore_reading"]["cases"].size(), 0u);
  for (const auto& [name, row] : file.root()["keystore_reading"]["cases"]) {
    const std::string json = row["json_utf8"].string_or("");
    EXPECT_EQ(open_key(json, {}, kSmall).ok(), *row["decrypts"].boolean())
        << row["name"].string_or("");
    if (row["listed_as_identity"].exists()) {
      EXPECT_EQ(claimed_address(json).ok(), *row["listed_as_identity"].boolean())
          << row["name"].string_or("");
    }
  }
}

TEST(KeyFile, ReadsVersionOneAndPbkdf2) {
  // PBKDF2: the test vector of the Web3 secret storage definition.
  const std::string pbkdf2 =
      R"({"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},)"
      R"("ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",)"
      R"("kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256",)"
      R"("salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},)"
      R"("mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},)"
      R"("id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3})";
  const auto key = open_key(pbkdf2, as_bytes("testpassword"), kSmall);
  ASSERT_TRUE(key.ok()) << key.error().what;
  EXPECT_EQ(to_hex(key->key.bytes()),
            "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d");
  EXPECT_FALSE(open_key(pbkdf2, as_bytes("other"), kSmall).ok());

  // Version 1: the file of Ethereum's own tests; standard scrypt.
  const std::string version1 =
      R"({"address":"cb61d5a9c4896fb9658090b597ef0e7be6f7b67e","Crypto":{"cipher":"aes-128-cbc",)"
      R"("ciphertext":"6143d3192db8b66eabd693d9c4e414dcfaee52abda451af79ccf474dafb35f1bfc7ea013aa9d2ee35969a1a2e8d752d0",)"
      R"("cipherparams":{"iv":"35337770fc2117994ecdcad026bccff4"},"kdf":"scrypt",)"
      R"("kdfparams":{"n":262144,"r":8,"p":1,"dklen":32,)"
      R"("salt":"9afcddebca541253a2f4053391c673ff9fe23097cd8555d149d929e4ccf1257f"},)"
      R"("mac":"3f3d5af884b17a100b0b3232c0636c230a54dc2ac8d986227219b0dd89197644","version":"1"},)"
      R"("id":"e25f7c1f-d318-4f29-b62c-687190d4d299","version":"1"})";
  if (memory_for_scrypt() < (300u << 20)) GTEST_SKIP() << "less than 300 MB of free memory";
  const auto old = open_key(version1, as_bytes("g"), kPlenty);
  ASSERT_TRUE(old.ok()) << old.error().what;
  EXPECT_EQ(old->address.to_string(), "0xcb61d5a9c4896fb9658090b597ef0e7be6f7b67e");
}

TEST(KeyFile, NonsenseParametersAreRefusedBeforeTheyCost) {
  const auto file = test::vectors("identity.json");
  const std::string good =
      (*file.root()["keystore_reading"]["cases"].begin()).value["json_utf8"].string_or("");
  const struct {
    const char* from;
    const char* to;
  } rows[] = {{"\"n\":4096", "\"n\":18446744073709551616"},
              {"\"n\":4096", "\"n\":9223372036854775808"},
              {"\"n\":4096", "\"n\":0"},
              {"\"n\":4096", "\"n\":-4096"},
              {"\"n\":4096", "\"n\":\"4096\""},
              {"\"p\":6", "\"p\":4294967295"},
              {"\"r\":8", "\"r\":0"},
              {"\"dklen\":32", "\"dklen\":16"},
              {"\"dklen\":32", "\"dklen\":99999999"},
              {"\"salt\":\"b", "\"salt\":\"xx"},
              {"\"mac\":\"50", "\"mac\":\""},
              {"\"cipher\":\"aes-128-ctr\"", "\"cipher\":7"},
              {"\"version\":3", "\"version\":3.0"}};
  for (const auto& row : rows) {
    std::string json = good;
    const std::size_t at = json.find(row.from);
    ASSERT_NE(at, std::string::npos) << row.from;
    json.replace(at, std::string(row.from).size(), row.to);
    EXPECT_FALSE(open_key(json, {}, kPlenty >> 30).ok()) << row.to;
  }
}

TEST(KeyFile, WritesWhatTheReferenceWouldWrite) {
  const auto file = test::vectors("identity.json");
  const json::Value row = (*file.root()["keystore_files"].begin()).value;
  const std::string expected = row["json_utf8"].string_or("");
  const auto document = json::Document::parse(expected);
  const json::Value crypto = document->root()["crypto"];
  test::SeededRng rng(1);
  FileSeed seed(rng);
  seed.salt = test::array_of<32>(crypto["kdfparams"]["salt"]);
  seed.iv = test::array_of<16>(crypto["cipherparams"]["iv"]);
  seed.id = document->root()["id"].string_or("");
  const Secret<32> key(test::array_of<32>(row["private_key"]));
  const auto text = seal_key(key, test::bytes_of(row["passphrase_hex"]), kLightCost, seed, kSmall);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, expected);
  EXPECT_EQ(seal_key(key, {}, kStandardCost, seed, kSmall).error().code, Errc::Unavailable);
  EXPECT_FALSE(seal_key(Secret<32>(), {}, kLightCost, seed, kSmall).ok());
}

TEST(KeyFile, NamesAndIdsHaveTheirForm) {
  const Address address = *Address::parse("0xaca1888164da6121affe87d1bac8048d9ce8feaf");
  EXPECT_EQ(key_file_name(address, 4102444799999999999),
            "UTC--2099-12-31T23-59-59.999999999Z--aca1888164da6121affe87d1bac8048d9ce8feaf");
  EXPECT_EQ(key_file_name(address, 1704164645000000006),
            "UTC--2024-01-02T03-04-05.000000006Z--aca1888164da6121affe87d1bac8048d9ce8feaf");
  test::SeededRng rng(2);
  const std::string id = FileSeed(rng).id;
  EXPECT_EQ(id.size(), 36u);
  EXPECT_EQ(id[14], '4');
  EXPECT_NE(std::string("89ab").find(id[19]), std::string::npos);
}

TEST(KeyRing, SignersStayUntilRemoved) {
  test::SeededRng rng(3);
  KeyRing ring;
  const Secret<32> key = LocalSigner::make(rng).key();
  const auto signer = ring.add(key);
  ASSERT_TRUE(signer.ok());
  const Address address = (*signer)->address();
  EXPECT_EQ(ring.find(address), *signer);
  EXPECT_EQ(*ring.add(key), *signer);
  EXPECT_TRUE((*signer)->sign(as_bytes("x")).ok());
  for (std::size_t i = 1; i < KeyRing::kCapacity; ++i) {
    ASSERT_TRUE(ring.add(LocalSigner::make(rng).key()).ok());
  }
  EXPECT_EQ(ring.add(LocalSigner::make(rng).key()).error().code, Errc::Full);
  EXPECT_EQ(ring.addresses().size(), KeyRing::kCapacity);
  ring.remove(address);
  EXPECT_EQ(ring.find(address), nullptr);
  EXPECT_TRUE(ring.add(LocalSigner::make(rng).key()).ok());
  EXPECT_FALSE(ring.add(Secret<32>()).ok());
}

TEST(Memory, IsSomethingSensible) { EXPECT_GT(memory_for_scrypt(), std::uint64_t{1} << 20); }

}  // namespace
}  // namespace myst::keystore
