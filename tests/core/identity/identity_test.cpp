// Addresses, signatures, subjects and self-encryption against what the reference node printed.
#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"
#include "core/identity/address.hpp"
#include "core/identity/signature.hpp"
#include "core/identity/signed_subject.hpp"
#include "core/identity/signer.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst {
namespace {

LocalSigner signer_of(json::Value private_key) {
  return *LocalSigner::from_key(Secret<32>(test::array_of<32>(private_key)));
}

class Identity : public ::testing::Test {
 protected:
  json::Document file_ = test::vectors("identity.json");
  json::Value root_ = file_.root();
};

TEST_F(Identity, KeysGiveTheAddressesOfTheReference) {
  ASSERT_GT(root_["addresses"].size(), 0u);
  for (const auto& [name, row] : root_["addresses"]) {
    const Address address = signer_of(row["private_key"]).address();
    EXPECT_EQ(address.to_string(), row["address"].string_or(""));
    EXPECT_EQ(address.to_checksum(), row["address_eip55"].string_or(""));
    EXPECT_EQ(*Address::parse(row["address_eip55"].string_or("")), address);
  }
  const auto file = test::vectors("payments.json");
  for (const auto& [name, row] : file.root()["eip55"]) {
    EXPECT_EQ(Address::parse(row["lower"].string_or(""))->to_checksum(),
              row["eip55"].string_or(""));
  }
}

TEST_F(Identity, LenientTextReadsAsTheReferenceReadsIt) {
  for (const auto& [name, row] : root_["from_address"]["cases"]) {
    EXPECT_EQ(Address::parse_lenient(row["text"].string_or("")).to_checksum(),
              row["as_address_eip55"].string_or(""));
  }
  EXPECT_EQ(Address::parse_lenient("0x1").to_string(),
            "0x0000000000000000000000000000000000000001");
  EXPECT_EQ(Address::parse_lenient("ff" + std::string(40, '1')).to_string(),
            "0x" + std::string(40, '1'));
  for (const char* bad : {"", "0x", "0x1", "53a835143c0ef3bbcbfa796d7eb738ca7dd28f6",
                          "53a835143c0ef3bbcbfa796d7eb738ca7dd28f6g",
                          "0x0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"}) {
    EXPECT_FALSE(Address::parse(bad).ok()) << bad;
  }
}

TEST_F(Identity, SignaturesAreByteExact) {
  ASSERT_GT(root_["signatures"]["cases"].size(), 0u);
  for (const auto& [name, row] : root_["signatures"]["cases"]) {
    const Bytes message = test::bytes_of(row["message_hex"]);
    EXPECT_EQ(to_hex(keccak256(message)), row["keccak256"].string_or(""));
    const auto signature = signer_of(row["private_key"]).sign(message);
    ASSERT_TRUE(signature.ok());
    EXPECT_EQ(to_hex(*signature), row["signature"].string_or(""));
    EXPECT_EQ(to_base64(*signature), row["base64"].string_or(""));
    EXPECT_EQ(recover_signer(message, *signature)->to_string(), row["signer"].string_or(""));
  }
}

TEST_F(Identity, RecoveryAcceptsWhatTheReferenceAccepts) {
  ASSERT_GT(root_["recovery"]["cases"].size(), 0u);
  for (const auto& [name, row] : root_["recovery"]["cases"]) {
    const std::string message = row["message_utf8"].string_or("");
    const auto signer = recover_signer(as_bytes(message), test::bytes_of(row["signature"]));
    EXPECT_EQ(signer.ok(), *row["accepted"].boolean()) << row.to_text();
    if (signer.ok()) {
      EXPECT_EQ(signer->to_string(), row["recovered"].string_or(""));
    }
  }
}

TEST_F(Identity, TheTwoFormsOfVConvertAsTheReferenceDoes) {
  const auto file = test::vectors("payments.json");
  const json::Value rules = file.root()["v_normalisation"];
  Signature signature{};
  for (const auto& [name, row] : rules["for_blockchain"]) {
    signature[64] = static_cast<std::uint8_t>(row["in"].i64_or(-1));
    EXPECT_EQ(to_blockchain_form(signature)[64], row["out"].i64_or(-1));
  }
  for (const auto& [name, row] : rules["for_recovery"]) {
    signature[64] = static_cast<std::uint8_t>(row["in"].i64_or(-1));
    EXPECT_EQ(to_recovery_form(signature)[64], row["out"].i64_or(-1));
  }
}

TEST_F(Identity, SubjectsAreSignedAndReadBack) {
  ASSERT_GT(root_["signed_subjects"].size(), 0u);
  for (const auto& [name, row] : root_["signed_subjects"]) {
    const LocalSigner signer = signer_of(row["private_key"]);
    const std::string topic = row["topic"].string_or("");
    const auto seconds = parse_decimal(row["unix_time"].string_or(""));
    ASSERT_TRUE(seconds);
    const std::string subject = signed_subject(signer, static_cast<std::int64_t>(*seconds), topic);
    EXPECT_EQ(subject, row["subject"].string_or(""));
    const auto parsed = parse_signed_subject(subject);
    // NATS has no subject with an empty last word, so the gate refuses what the reference signs.
    EXPECT_EQ(parsed.ok(), !topic.empty());
    if (topic.empty()) continue;
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(parsed->topic, topic);
    EXPECT_EQ(parsed->signed_text, row["signed_text_utf8"].string_or(""));
    EXPECT_EQ(*recover_signer(*parsed), signer.address());
    std::string forged = subject;
    forged.back() = forged.back() == 'x' ? 'y' : 'x';
    const auto other = recover_signer(*parse_signed_subject(forged));
    EXPECT_TRUE(!other.ok() || *other != signer.address());
  }
}

TEST_F(Identity, SubjectsOfAnotherShapeAreRefused) {
  const std::string signature(86, 'A');
  for (const std::string& bad :
       {std::string(), std::string("signed."), "signed." + signature + "A.1",
        "signed." + signature + "A.1.", "signed." + signature + "A..topic",
        "signed." + signature + "A.x.topic", "signed." + signature + ".1.topic",
        "signed." + signature + "=.1.topic", "Signed." + signature + "A.1.topic",
        "signed." + signature + "A.99999999999999999999.topic"}) {
    EXPECT_FALSE(parse_signed_subject(bad).ok()) << bad;
  }
  EXPECT_TRUE(parse_signed_subject("signed." + signature + "A.1.topic").ok());
}

TEST_F(Identity, SelfEncryptionReadsWhatTheReferenceWrote) {
  ASSERT_GT(root_["encryption"].size(), 0u);
  for (const auto& [name, row] : root_["encryption"]) {
    const LocalSigner signer = signer_of(row["private_key"]);
    Bytes sealed = test::bytes_of(row["nonce_then_ciphertext_then_tag"]);
    const auto plaintext = signer.decrypt_from_self(sealed);
    ASSERT_TRUE(plaintext.ok());
    EXPECT_EQ(to_hex(*plaintext), row["plaintext"].string_or("?"));
    // The nonce is all that is random: with the same one, the same bytes.
    struct Fixed final : Rng {
      explicit Fixed(ByteSpan all) : bytes(all) {}
      void fill(MutableByteSpan out) override {
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = bytes[i];
      }
      ByteSpan bytes;
    } rng{sealed};
    EXPECT_EQ(*signer.encrypt_for_self(rng, *plaintext), sealed);
    sealed.back() ^= 1;
    EXPECT_FALSE(signer.decrypt_from_self(sealed).ok());
    EXPECT_FALSE(signer.decrypt_from_self(ByteSpan(sealed).first(11)).ok());
    EXPECT_FALSE(signer.decrypt_from_self(ByteSpan(sealed).first(20)).ok());
  }
}

}  // namespace
}  // namespace myst
