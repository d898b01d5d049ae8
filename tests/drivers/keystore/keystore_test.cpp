#include "drivers/keystore/keystore.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/base/text.hpp"
#include "platform/system/files.hpp"
#include "tests/support/support.hpp"
#include "tests/support/vectors.hpp"

namespace myst::keystore {
namespace {

class KeystoreTest : public ::testing::Test {
 protected:
  KeystoreTest() {
    char name[] = "/tmp/myst-keystore-XXXXXX";
    root_ = ::mkdtemp(name);
    path_ = root_ + "/keystore";
    reopen();
  }
  ~KeystoreTest() override {
    keystore_.reset();
    std::filesystem::remove_all(root_);
  }
  void reopen() {
    keystore_.reset();
    keystore_ = std::make_unique<Keystore>(loop_, work_, rng_, config());
  }
  Keystore::Config config() const {
    // Cheap scrypt: what the tests are about is everything around it.
    return {path_, {2, 8, 1}, [] { return std::uint64_t{32} << 20; }};
  }

  // Calls a method and turns the loop until its completion.
  template <typename T, typename Call>
  Result<T> await(Call call) {
    std::optional<Result<T>> result;
    const Status queued = call([&](Result<T> r) { result.emplace(std::move(r)); });
    EXPECT_TRUE(queued.ok());
    EXPECT_FALSE(result.has_value()) << "completed inside the call";
    EXPECT_TRUE(loop_.run_until([&] { return result.has_value(); }, std::chrono::seconds{60}));
    return std::move(*result);
  }
  Result<Address> create(std::string_view passphrase) {
    return await<Address>([&](auto done) { return keystore_->create(passphrase, done); });
  }
  Result<bool> unlock(const Address& address, std::string_view passphrase) {
    return await<bool>([&](auto done) { return keystore_->unlock(address, passphrase, done); });
  }
  Result<Keystore::Used> use(std::optional<Address> wanted, std::string_view passphrase) {
    return await<Keystore::Used>(
        [&](auto done) { return keystore_->use_or_create(wanted, passphrase, done); });
  }
  void put(const std::string& name, std::string_view content) {
    std::filesystem::create_directories(std::filesystem::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << content;
  }
  std::string key_json(int index) {
    const auto file = test::vectors("identity.json");
    int at = 0;
    for (const auto& [name, row] : file.root()["keystore_files"]) {
      if (at++ == index) return row["json_utf8"].string_or("");
    }
    return {};
  }

  std::string root_, path_;
  platform::Loop loop_;
  platform::WorkQueue work_{loop_};
  test::SeededRng rng_{1};
  std::unique_ptr<Keystore> keystore_;
};

TEST_F(KeystoreTest, CreatesUnlocksAndSigns) {
  EXPECT_TRUE(keystore_->list().empty());
  const auto address = create("secret");
  ASSERT_TRUE(address.ok()) << address.error().what;
  EXPECT_EQ(keystore_->list(), std::vector<Address>{*address});
  EXPECT_FALSE(keystore_->unlocked(*address));
  EXPECT_EQ(unlock(*address, "wrong").error().code, Errc::Unauthorized);
  EXPECT_FALSE(keystore_->unlocked(*address));
  EXPECT_TRUE(*unlock(*address, "secret"));
  ASSERT_TRUE(keystore_->unlocked(*address));
  const auto signature = keystore_->signer(*address)->sign(as_bytes("text"));
  EXPECT_EQ(*recover_signer(as_bytes("text"), *signature), *address);
  EXPECT_FALSE(*unlock(*address, "anything")) << "an unlocked identity takes any passphrase";
  keystore_->lock(*address);
  EXPECT_FALSE(keystore_->unlocked(*address));
  reopen();
  EXPECT_TRUE(*unlock(*address, "secret"));
}

TEST_F(KeystoreTest, FilesHaveTheReferencesNamesAndModes) {
  const auto address = create("");
  ASSERT_TRUE(address.ok());
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    names.push_back(entry.path().filename());
  }
  ASSERT_EQ(names.size(), 1u) << "nothing temporary stays behind";
  EXPECT_EQ(names[0].substr(0, 5), "UTC--");
  EXPECT_EQ(names[0].size(), 77u);
  EXPECT_EQ(names[0].substr(37), address->to_string().substr(2));
  struct stat info {};
  ASSERT_EQ(::stat((path_ + "/" + names[0]).c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0600u);
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777u, 0700u);
}

TEST_F(KeystoreTest, ListsWhatTheReferenceLists) {
  const auto file = test::vectors("identity.json");
  for (const auto& [name, row] : file.root()["keystore_names"]["single_file"]) {
    std::filesystem::remove_all(path_);
    put(row["file"].string_or(""), key_json(0));
    EXPECT_EQ(keystore_->list().size(), *row["listed"].boolean() ? 1u : 0u)
        << row["file"].string_or("");
  }
  std::filesystem::remove_all(path_);
  put("b-first", key_json(0));
  put("a-second", key_json(1));
  put("c-dup", key_json(0));
  put("remember.json", R"({"identity":{"address":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"}})");
  std::string seen;
  for (const Address& address : keystore_->list()) seen += address.to_string() + " ";
  EXPECT_EQ(seen,
            "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a "
            "0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68 "
            "0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68 ");
}

TEST_F(KeystoreTest, TwoFilesOfOneAddressAreAmbiguous) {
  put("a", key_json(0));
  put("b", key_json(0));
  const Address address = keystore_->list().front();
  EXPECT_EQ(unlock(address, "").error().code, Errc::Rejected);
  std::filesystem::remove(path_ + "/b");
  EXPECT_TRUE(unlock(address, "").ok());
}

TEST_F(KeystoreTest, ChangesOnDiskAreSeen) {
  put("a", key_json(0));
  EXPECT_EQ(keystore_->list().size(), 1u);
  put("a", key_json(1) + " ");
  EXPECT_EQ(keystore_->list().front().to_string(), "0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a");
  put("a", "{");
  EXPECT_TRUE(keystore_->list().empty());
}

TEST_F(KeystoreTest, DamagedFilesAreNamedAndHurtNobody) {
  const auto good = create("");
  const std::string damaged =
      "UTC--2024-01-02T03-04-05.000000006Z--aca1888164da6121affe87d1bac8048d9ce8feaf";
  put(damaged, key_json(0).substr(0, 100));
  put("empty", "");
  put("huge", std::string(100000, ' '));
  EXPECT_EQ(keystore_->list(), std::vector<Address>{*good});
  EXPECT_EQ(keystore_->damaged_files(), std::vector<std::string>{damaged});
  EXPECT_TRUE(unlock(*good, "").ok());
}

TEST_F(KeystoreTest, AFileThatClaimsAnotherAddressIsRefused) {
  std::string json = key_json(0);
  json.replace(json.find("53a835"), 6, "63a835");
  put("a", json);
  const auto result = unlock(keystore_->list().front(), "");
  ASSERT_FALSE(result.ok());
  EXPECT_STREQ(result.error().what, "key content mismatch");
}

TEST_F(KeystoreTest, AnotherNodeReadsWhatWasExported) {
  const auto address = create("");
  const auto text = await<std::string>(
      [&](auto done) { return keystore_->export_key(*address, "", "new pass", done); });
  ASSERT_TRUE(text.ok());
  const auto import_it = [&](std::string_view passphrase) {
    return await<Address>(
        [&](auto done) { return keystore_->import_key(*text, passphrase, "third", done); });
  };
  const auto again = import_it("new pass");
  EXPECT_EQ(again.error().code, Errc::AlreadyExists);
  EXPECT_STREQ(again.error().what, "account already exists");
  std::filesystem::remove_all(path_);
  EXPECT_STREQ(import_it("wrong").error().what, "could not decrypt key with given password");
  EXPECT_EQ(*import_it("new pass"), *address);
  EXPECT_FALSE(keystore_->unlocked(*address));
  EXPECT_TRUE(unlock(*address, "third").ok());
  EXPECT_FALSE(await<std::string>([&](auto done) {
                 return keystore_->export_key(*address, "", "", done);
               }).ok());
}

TEST_F(KeystoreTest, TheReferencesExportIsImported) {
  const auto file = test::vectors("identity.json");
  const json::Value row = (*file.root()["move"].begin()).value;
  const auto address = await<Address>([&](auto done) {
    return keystore_->import_key(row["json_utf8"].string_or(""),
                                 row["new_passphrase"].string_or(""), "", done);
  });
  ASSERT_TRUE(address.ok());
  EXPECT_EQ(*address, *Address::parse(row["address_argument"].string_or("")));
}

TEST_F(KeystoreTest, ImportingTwiceAtOnceMakesOneFile) {
  int ok = 0, refused = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(
        keystore_
            ->import_key(key_json(0), "", "", [&](Result<Address> r) { ++(r.ok() ? ok : refused); })
            .ok());
  }
  ASSERT_TRUE(loop_.run_until([&] { return ok + refused == 2; }, std::chrono::seconds{60}));
  EXPECT_EQ(ok, 1);
  EXPECT_EQ(keystore_->list().size(), 1u);
}

TEST_F(KeystoreTest, UseOrCreateCreatesRemembersAndComesBack) {
  const auto first = use(std::nullopt, "");
  ASSERT_TRUE(first.ok()) << first.error().what;
  EXPECT_TRUE(first->created && first->unlocked_now);
  ASSERT_TRUE(keystore_->unlocked(first->address));
  const auto text = platform::read_file(path_ + "/remember.json", 1000);
  EXPECT_EQ(*text, "{\"identity\":{\"address\":\"" + first->address.to_string() + "\"}}");
  EXPECT_FALSE(use(std::nullopt, "")->unlocked_now);

  const auto second = create("other");
  ASSERT_TRUE(second.ok());
  reopen();
  EXPECT_EQ(use(std::nullopt, "")->address, first->address);
  EXPECT_EQ(use(*second, "wrong").error().code, Errc::Unauthorized);
  EXPECT_EQ(use(*second, "other")->address, *second);
  reopen();
  EXPECT_EQ(use(std::nullopt, "other")->address, *second) << "the last one used is remembered";
  reopen();
  EXPECT_EQ(use(std::nullopt, "")->address, first->address)
      << "the remembered one does not unlock: the first";
  EXPECT_EQ(use(Address(), "").error().code, Errc::NotFound);
}

TEST_F(KeystoreTest, RememberNeedsAnIdentity) {
  const auto remember = [&](const Address& address) {
    return await<Address>([&](auto done) { return keystore_->remember(address, done); });
  };
  EXPECT_EQ(remember(Address()).error().code, Errc::NotFound);
  const auto address = create("");
  EXPECT_TRUE(remember(*address).ok());
  EXPECT_EQ(Directory(path_).remembered(), *address);
  put("remember.json", "{\"identity\":{\"address\":\"nonsense\"}}");
  EXPECT_EQ(Directory(path_).remembered(), std::nullopt);
  EXPECT_EQ(use(std::nullopt, "")->address, *address);
}

TEST_F(KeystoreTest, ScryptThatDoesNotFitIsRefusedWithTheReason) {
  Keystore::Config large = config();
  large.cost = kStandardCost;
  keystore_ = std::make_unique<Keystore>(loop_, work_, rng_, large);
  const auto result = create("");
  ASSERT_EQ(result.error().code, Errc::Unavailable);
  EXPECT_EQ(result.error().detail, 256);
  EXPECT_TRUE(keystore_->list().empty());
}

TEST_F(KeystoreTest, AFolderThatCannotBeWrittenIsAnError) {
  std::ofstream(path_) << "a file where the folder should be";
  EXPECT_EQ(create("").error().code, Errc::Io);
  EXPECT_TRUE(keystore_->list().empty());
}

TEST_F(KeystoreTest, CompletionsAfterItsEndAreDropped) {
  bool called = false;
  ASSERT_TRUE(keystore_->create("", [&](Result<Address>) { called = true; }).ok());
  keystore_.reset();
  work_.finish();
  EXPECT_FALSE(called);
}

}  // namespace
}  // namespace myst::keystore
