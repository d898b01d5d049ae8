// The program's words and exit codes, with a fake node behind a real HTTP server.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "apps/myst/commands.hpp"
#include "drivers/rest/server.hpp"
#include "platform/system/files.hpp"
#include "tests/support/fake_node.hpp"

namespace myst::app {
namespace {

using Words = std::vector<std::string>;

class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/myst-cli-XXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
    programs_.run_node = [this](NodeLaunch launch) {
      launches_.push_back(std::move(launch));
      return 42;
    };
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  int run(Words words) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = run_command_line(words, programs_);
    out_ = testing::internal::GetCapturedStdout();
    err_ = testing::internal::GetCapturedStderr();
    return code;
  }
  std::string folder_, out_, err_;
  std::vector<NodeLaunch> launches_;
  Programs programs_;
};

TEST_F(CommandLineTest, ExitCodesAreTheReferences) {
  EXPECT_EQ(run({}), 0);
  EXPECT_NE(out_.find("GLOBAL OPTIONS"), std::string::npos);
  EXPECT_EQ(run({"--help"}), 0);
  EXPECT_EQ(run({"help", "service"}), 0);
  EXPECT_NE(out_.find("--active-services"), std::string::npos);
  EXPECT_EQ(run({"-v"}), 0);
  EXPECT_NE(out_.find("Version: "), std::string::npos);
  EXPECT_EQ(run({"frobnicate"}), 3);
  EXPECT_EQ(run({"--bogus", "daemon"}), 1);
  EXPECT_EQ(out_.compare(0, 60, "Incorrect Usage: flag provided but not defined: -bogus\n\nNAME"),
            0)
      << out_;
  EXPECT_EQ(err_, "myst: flag provided but not defined: -bogus\n");
  EXPECT_EQ(run({"license", "--conditions"}), 0);
  EXPECT_TRUE(launches_.empty());
}

TEST_F(CommandLineTest, DaemonGetsFlagsOverTheUsersFile) {
  ASSERT_TRUE(platform::write_file_atomically(folder_ + "/config-mainnet.toml",
                                              "[ui]\n  port = 1\n[shaper]\n  enabled = true\n")
                  .ok());
  EXPECT_EQ(
      run({"--config-dir=" + folder_, "--ui.port", "2", "--network=http://hub:8080", "daemon"}),
      42);
  ASSERT_EQ(launches_.size(), 1u);
  const NodeLaunch& launch = launches_[0];
  EXPECT_FALSE(launch.provider);
  EXPECT_EQ(launch.config.integer("ui.port"), 2);
  EXPECT_TRUE(launch.config.flag("shaper.enabled"));
  EXPECT_EQ(launch.config.hub_url(), "http://hub:8080");
  EXPECT_TRUE(launch.user_file.loaded());
  EXPECT_TRUE(launch.warnings.empty());
}

TEST_F(CommandLineTest, ServiceNeedsTheTerms) {
  EXPECT_EQ(run({"--config-dir=" + folder_, "service"}), 2);
  EXPECT_NE(err_.find("--agreed-terms-and-conditions"), std::string::npos);
  EXPECT_EQ(run({"--config-dir=" + folder_, "service", "--agreed-terms-and-conditions",
                 "--active-services=noop", "wireguard", "--ignored"}),
            42);
  EXPECT_TRUE(launches_.back().record_terms);
  EXPECT_TRUE(launches_.back().provider);
  EXPECT_EQ(services_to_start(launches_.back().config), (Words{"noop", "monitoring"}));
  ASSERT_TRUE(
      platform::write_file_atomically(folder_ + "/config-mainnet.toml",
                                      "[terms]\nprovider-agreed = true\nversion = \"0.0.53\"\n")
          .ok());
  EXPECT_EQ(run({"--config-dir=" + folder_, "service"}), 42);
  EXPECT_FALSE(launches_.back().record_terms);
}

TEST_F(CommandLineTest, OldSetupsGetDvpnToo) {
  core::NodeConfig config({"/", "/"});
  ASSERT_TRUE(config.set_command_line({{"active-services", "wireguard"}}).ok());
  EXPECT_EQ(services_to_start(config), (Words{"wireguard", "dvpn", "monitoring"}));
  ASSERT_TRUE(config.set_user_value("node.version", "1.0").ok());
  EXPECT_EQ(services_to_start(config), (Words{"wireguard", "monitoring"}));
}

TEST_F(CommandLineTest, ACorruptUserFileIsAWarning) {
  ASSERT_TRUE(platform::write_file_atomically(folder_ + "/config-mainnet.toml", "x = = 1\n").ok());
  EXPECT_EQ(run({"--config-dir=" + folder_, "daemon"}), 42);
  ASSERT_EQ(launches_.back().warnings.size(), 1u);
  EXPECT_NE(launches_.back().warnings[0].find("config-mainnet.toml: line 1"), std::string::npos);
  EXPECT_FALSE(launches_.back().user_file.loaded());
}

TEST_F(CommandLineTest, ValuesThatCannotWorkEndTheStart) {
  EXPECT_EQ(run({"--config-dir=" + folder_, "--wireguard.mtu=10", "daemon"}), 1);
  EXPECT_NE(err_.find("68 to 1500"), std::string::npos);
  EXPECT_TRUE(launches_.empty());
}

TEST_F(CommandLineTest, AWrongPlaceForAFlagIsExplained) {
  EXPECT_EQ(run({"service", "--tequilapi.port=4051"}), 1);
  EXPECT_NE(err_.find("put it before the command"), std::string::npos);
}

TEST_F(CommandLineTest, ClientsSayWhenNoNodeIsThere) {
  EXPECT_EQ(run({"--tequilapi.port=1", "connection", "info"}), 1);
  EXPECT_NE(out_.find("Cannot reach a node at 127.0.0.1:1"), std::string::npos) << out_;
  EXPECT_EQ(run({"cli", "--tequilapi.port=1", "status"}), 1);
  EXPECT_EQ(run({"reset"}), 1);
}

// A node's API in a thread of its own, as the clients meet it.
class LiveNode {
 public:
  explicit LiveNode(const std::string& folder) {
    (void)node.configuration.set_command_line(
        {{"data-dir", folder}, {"tequilapi.auth.password", "restored"}});
    server_ = std::make_unique<rest::Server>(
        *rest::Server::listen(loop_, api_, {IpAddress::v4(127, 0, 0, 1), 0}));
    thread_ = std::thread([this] { loop_.run(); });
  }
  ~LiveNode() {
    (void)loop_.post([this] { loop_.stop(); });
    thread_.join();
  }
  std::string port() const { return std::to_string(server_->local().port); }
  test::FakeNode node;

 private:
  platform::Loop loop_;
  rest::Authenticator account_{loop_, "/nonexistent/nodeui-pass", Bytes(256, 1)};
  rest::Api api_{loop_, node, account_, {}};
  std::unique_ptr<rest::Server> server_;
  std::thread thread_;
};

TEST_F(CommandLineTest, CommandsWorkAgainstALiveApi) {
  LiveNode live(folder_);
  const std::string port = "--tequilapi.port=" + live.port();
  EXPECT_EQ(run({"cli", port, "identities", "list"}), 0);
  EXPECT_NE(out_.find("--agreed-terms-and-conditions"), std::string::npos);
  EXPECT_EQ(run({"cli", "--agreed-terms-and-conditions", port, "identities", "list"}), 0);
  EXPECT_NE(out_.find("[+]\x1b[0m 0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"), std::string::npos)
      << out_;
  EXPECT_EQ(run({port, "cli", "healthcheck"}), 0);
  EXPECT_EQ(run({"cli", port, "service", "status", "x"}), 1);
  EXPECT_EQ(run({"config", port, "set", "node-ui.theme", "dark"}), 0) << out_;
  EXPECT_EQ(run({"config", port, "show"}), 0);
  EXPECT_NE(out_.find("node-ui.theme: dark\n"), std::string::npos);
  EXPECT_EQ(run({"account", port, "info"}), 0);
  EXPECT_NE(out_.find("Using identity:0x53a8"), std::string::npos) << out_;
  EXPECT_EQ(run({"connection", port, "up"}), 0);
  EXPECT_NE(out_.find("[SUCCESS]"), std::string::npos) << out_;
}

TEST_F(CommandLineTest, ResetWritesThePasswordFile) {
  LiveNode live(folder_);
  EXPECT_EQ(run({"--tequilapi.port=" + live.port(), "reset"}), 0) << out_;
  const auto hash = platform::read_file(folder_ + "/nodeui-pass", 1000);
  ASSERT_TRUE(hash.ok());
  EXPECT_TRUE(rest::password_matches("restored", *hash));
}

}  // namespace
}  // namespace myst::app
