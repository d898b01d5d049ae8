#include "drivers/config/user_file.hpp"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "platform/system/files.hpp"

namespace myst::config {
namespace {

class UserFileTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/myst-config-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    root_ = path;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  std::string root_;
};

TEST_F(UserFileTest, MakesFolderAndEmptyFile) {
  UserFile file(root_ + "/a/b");
  const auto tree = file.load(nullptr);
  ASSERT_TRUE(tree.ok());
  EXPECT_TRUE(tree->table()->empty());
  struct stat info {};
  ASSERT_EQ(stat((root_ + "/a/b").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(file.path().c_str(), &info), 0);
}

TEST_F(UserFileTest, WhatIsSavedIsLoaded) {
  UserFile file(root_);
  ASSERT_TRUE(file.load(nullptr).ok());
  const core::ConfigValue tree(core::ConfigValue::Table{{"x", "y"}});
  ASSERT_TRUE(file.save(tree).ok());
  EXPECT_EQ(*UserFile(root_).load(nullptr), tree);
}

TEST_F(UserFileTest, ACorruptFileIsNamedAndKept) {
  UserFile file(root_);
  ASSERT_TRUE(platform::write_file_atomically(file.path(), "a = 1\nb = = 2\n").ok());
  std::string why;
  EXPECT_FALSE(file.load(&why).ok());
  EXPECT_NE(why.find("config-mainnet.toml: line 2"), std::string::npos) << why;
  EXPECT_EQ(file.save(core::ConfigValue(core::ConfigValue::Table{})).error().code,
            Errc::InvalidState);
  EXPECT_EQ(*platform::read_file(file.path(), 100), "a = 1\nb = = 2\n");
}

TEST_F(UserFileTest, AFolderThatCannotBeMadeIsNamed) {
  ASSERT_TRUE(platform::write_file_atomically(root_ + "/file", "").ok());
  UserFile file(root_ + "/file/sub");
  std::string why;
  EXPECT_FALSE(file.load(&why).ok());
  EXPECT_FALSE(why.empty());
  EXPECT_FALSE(file.loaded());
}

}  // namespace
}  // namespace myst::config
