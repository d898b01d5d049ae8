// The client commands against a scripted node, and the words they understand.
#include <gtest/gtest.h>

#include <deque>

#include "apps/myst/cli/client_commands.hpp"
#include "apps/myst/cli/line_editor.hpp"
#include "apps/myst/cli/shell.hpp"
#include "apps/myst/commands.hpp"

namespace myst::app {
namespace {

// Answers by "METHOD path"; everything else is 404. Remembers what was asked.
class ScriptedNode final : public NodeClient {
 public:
  void on(const std::string& request, int status, const std::string& body) {
    answers_[request] = {status, body};
  }
  NodeAnswer call(std::string_view method, const std::string& path, const std::string& body,
                  Duration) override {
    const std::string request = std::string(method) + " " + path;
    asked.push_back(request + (body.empty() ? "" : " " + body));
    NodeAnswer answer;
    const auto found = answers_.find(request);
    answer.status = found == answers_.end() ? 404 : found->second.first;
    answer.body = found == answers_.end() ? "" : found->second.second;
    auto document = json::Document::parse(answer.body);
    if (document.ok()) answer.document = std::move(*document);
    return answer;
  }
  std::string address() const override { return "test"; }
  bool was_asked(const std::string& request) const {
    return std::find(asked.begin(), asked.end(), request) != asked.end();
  }
  std::vector<std::string> asked;

 private:
  std::map<std::string, std::pair<int, std::string>> answers_;
};

class CliTest : public testing::Test {
 protected:
  CliTest() {
    node.on("PUT /identities/current", 200, R"({"id":"0xc0"})");
    node.on("GET /identities/0xc0/registration", 200,
            R"({"status":"Registered","registered":true})");
    node.on("GET /connection?id=0", 200, R"({"status":"NotConnected"})");
    node.on(
        "GET /terms", 200,
        R"({"agreed_provider":true,"agreed_consumer":true,"agreed_version":"0.0.53","current_version":"0.0.53"})");
  }
  int run(Span<const SubCommand> table, const Words& words) {
    return run_sub_command("test", table, context, words, 0);
  }
  bool shows(const std::string& text) const { return printed.find(text) != std::string::npos; }

  ScriptedNode node;
  std::string printed;
  Output out{[this](std::string_view text) { printed += text; }};
  ClientContext context{out, node, {}};
};

TEST(Output, LinesHaveALabelAndAnUpperCaseStart) {
  std::string text;
  Output out([&](std::string_view piece) { text += piece; });
  out.info("hello");
  out.error("evil \x1b]0;title\x07");
  out.status("+", "x");
  EXPECT_EQ(text,
            "\x1b[93m[INFO]\x1b[0m Hello\n"
            "\x1b[31m[ERROR]\x1b[0m Evil ?]0;title?\n"
            "\x1b[33m[+]\x1b[0m X\n\n");
}

TEST(Output, FiguresAreReadable) {
  EXPECT_EQ(bytes_text(0), "0B");
  EXPECT_EQ(bytes_text(1536), "1.5KiB");
  EXPECT_EQ(bytes_text(1572864), "1.5MiB");
  EXPECT_EQ(speed_text(999), "999bps");
  EXPECT_EQ(speed_text(1500000), "1.5Mbps");
  EXPECT_EQ(money_text("60000000000000000"), "0.060000MYST");
  EXPECT_EQ(money_text("123456789012345678901234567890"), "123456789012.345678MYST");
  EXPECT_EQ(money_text("null"), "0.000000MYST");
}

TEST_F(CliTest, ConnectionUpConnectsTheCurrentIdentity) {
  const auto config = json::Document::parse(
      R"({"chain-id":137,"chains":{"1":{"chainid":1,"hermes":"0x1"},"2":{"chainid":137,"hermes":"0x2"}}})");
  context.config = config->root();
  node.on("PUT /connection", 201, R"({"status":"Connected","proposal":{"provider_id":"0xp"}})");
  EXPECT_EQ(run(connection_commands(), {"up", "--country=LT", "--sort", "price", "0xa,0xb"}), 0);
  EXPECT_TRUE(node.was_asked(
      R"(PUT /connection {"consumer_id":"0xc0","service_type":"wireguard","filter":{"providers":["0xa","0xb"],)"
      R"("country_code":"LT","ip_type":"","sort_by":"price","include_monitoring_failed":false},"hermes_id":"0x2",)"
      R"("connect_options":{"dns":"auto","proxy_port":0}})"))
      << node.asked.back();
  EXPECT_TRUE(shows("Connected\n") && shows("Creating connection from: 0xc0 to: [0xa 0xb]"));
}

TEST_F(CliTest, ConnectionUpRefusesWhatCannotWork) {
  node.on("GET /connection?id=0", 200, R"({"status":"Reconnecting"})");
  EXPECT_EQ(run(connection_commands(), {"up"}), 0);
  EXPECT_TRUE(shows("Reconnecting"));
  node.on("GET /connection?id=0", 200, R"({"status":"NotConnected"})");
  node.on("GET /identities/0xc0/registration", 200,
          R"({"status":"Unregistered","registered":false})");
  EXPECT_EQ(run(connection_commands(), {"up"}), 0);
  EXPECT_TRUE(shows("is not registered"));
  EXPECT_EQ(run(connection_commands(), {"up", "--country=Lithuania"}), 0);
  EXPECT_TRUE(shows("alpha-2"));
  EXPECT_FALSE(node.was_asked("PUT /connection"));
}

TEST_F(CliTest, ConnectionUpNeedsTerms) {
  node.on(
      "GET /terms", 200,
      R"({"agreed_provider":false,"agreed_consumer":false,"agreed_version":"","current_version":"0.0.60"})");
  EXPECT_EQ(run(connection_commands(), {"up"}), 0);
  EXPECT_TRUE(shows("Terms and conditions"));
  EXPECT_EQ(node.asked.size(), 1u);
  node.on("POST /terms", 200, "");
  EXPECT_EQ(run(connection_commands(), {"up", "--agreed-terms-and-conditions"}), 0);
  EXPECT_TRUE(node.was_asked(R"(POST /terms {"agreed_consumer":true,"agreed_version":"0.0.60"})"));
}

TEST_F(CliTest, ConnectionDownAndInfo) {
  EXPECT_EQ(run(connection_commands(), {"down"}), 0);
  EXPECT_TRUE(shows("Disconnected"));
  node.on(
      "GET /connection?id=0", 200,
      R"({"status":"Connected","session_id":"s1","consumer_id":"0xc0","proposal":{"provider_id":"0xp","service_type":"wireguard"}})");
  node.on("DELETE /connection?id=0", 202, "");
  EXPECT_EQ(run(connection_commands(), {"down"}), 0);
  EXPECT_TRUE(shows("Disconnected"));
  node.on("GET /connection/proxy/ip?port=0", 200, R"({"ip":"198.51.100.7"})");
  node.on(
      "GET /connection/statistics?id=s1", 200,
      R"({"bytes_sent":1024,"bytes_received":18446744073709551615,"throughput_sent":8,"throughput_received":1500000,"duration":61,"spent_tokens":{"wei":"5"}})");
  EXPECT_EQ(run(connection_commands(), {"info"}), 0);
  for (const char* part : {"198.51.100.7", "Transferred:16.0EiB/1.0KiB", "Throughput:1.5Mbps/8bps",
                           "Duration:1m1s", "Status:Connected", "Spent:0.000000MYST"}) {
    EXPECT_TRUE(shows(part)) << part << "\n" << printed;
  }
}

TEST_F(CliTest, ErrorsShowTheirDetail) {
  node.on("GET /proposals?location_country=&ip_type=", 500,
          R"({"error":{"code":"err_proposals_query","message":"no","detail":"the reason"}})");
  EXPECT_EQ(run(connection_commands(), {"proposals"}), 0);
  EXPECT_TRUE(shows("[ERROR]\x1b[0m The reason"));
}

TEST_F(CliTest, ProposalsAreRows) {
  node.on(
      "GET /proposals?location_country=LT&ip_type=", 200,
      R"({"proposals":[{"provider_id":"0xp","service_type":"wireguard","location":{"country":"LT","ip_type":"residential"},"price":{"per_hour_tokens":{"human":"0.00006"},"per_gib_tokens":{"human":"0.1"}}}]})");
  EXPECT_EQ(run(connection_commands(), {"proposals", "--country=LT"}), 0);
  EXPECT_TRUE(shows(
      "| Identity: 0xp\t| Type: residential\t| Country: LT\t | Price: 0.00006/hour\t0.1/GiB |"));
}

TEST_F(CliTest, AccountCommands) {
  EXPECT_EQ(run(account_commands(), {"register"}), 0);
  EXPECT_TRUE(shows("Already have an identity: 0xc0"));
  node.on("GET /identities/0xc0/registration", 200, R"({"status":"Unregistered"})");
  node.on("POST /identities/0xc0/register", 202, "");
  EXPECT_EQ(run(account_commands(), {"register", "--token", "T"}), 0);
  EXPECT_TRUE(node.was_asked(R"(POST /identities/0xc0/register {"referral_token":"T"})"));
  node.on(
      "GET /identities/0xc0", 200,
      R"({"registration_status":"Registered","channel_address":"0xch","balance_tokens":{"wei":"1500000000000000000"}})");
  EXPECT_EQ(run(account_commands(), {"info"}), 0);
  EXPECT_TRUE(shows("Balance: 1.500000MYST"));
  EXPECT_FALSE(shows("Earned"));
  node.on(
      "GET /identities/0xc0", 200,
      R"({"registration_status":"Registered","earnings_tokens":{"wei":"500000000000000000"},"earnings_total_tokens":{"wei":"2000000000000000000"}})");
  EXPECT_EQ(run(account_commands(), {"info"}), 0);
  for (const char* part : {"Earned: 2.000000MYST", "paid out: 1.500000MYST",
                           "in settlement: 0.000000MYST", "promised by Hermes: 0.500000MYST"}) {
    EXPECT_TRUE(shows(part)) << part << "\n" << printed;
  }
  node.on(
      "GET /identities/0xc0", 200,
      R"({"registration_status":"Registered","earnings_tokens":{"wei":"500000000000000000"},"earnings_total_tokens":{"wei":"2000000000000000000"},"earnings_in_settlement_tokens":{"wei":"300000000000000000"}})");
  EXPECT_EQ(run(account_commands(), {"info"}), 0);
  // The four parts add up: every wei is in one of them.
  for (const char* part : {"Earned: 2.000000MYST", "paid out: 1.500000MYST",
                           "in settlement: 0.300000MYST", "promised by Hermes: 0.200000MYST"}) {
    EXPECT_TRUE(shows(part)) << part << "\n" << printed;
  }
  node.on(
      "GET /transactor/settle/history?page_size=20&provider_id=0xc0", 200,
      R"({"items":[{"settled_at":"2026-01-02T03:04:05Z","amount":1500000000000000000,"fees":1000000000000,"beneficiary":"0xw","tx_hash":"0xt","is_withdrawal":false,"error":""},{"settled_at":"2026-01-01T03:04:05Z","amount":0,"fees":0,"error":"no gas"}]})");
  EXPECT_EQ(run(account_commands(), {"settlements"}), 0);
  EXPECT_TRUE(shows("2026-01-02T03:04:05Z 1.500000MYST to 0xw, fees 0.000001MYST, 0xt")) << printed;
  EXPECT_TRUE(shows("2026-01-01T03:04:05Z failed: no gas"));
  EXPECT_EQ(run(account_commands(), {"set-identity", "0xd"}), 0);
  EXPECT_TRUE(node.was_asked(R"(PUT /identities/current {"id":"0xd","passphrase":""})"));
}

TEST_F(CliTest, ConfigShowIsFlatAndSorted) {
  node.on("GET /config", 200,
          R"({"data":{"ui":{"port":4449},"chains":{"1":{"hermes":"0x1"}},"a":["x","y"]}})");
  EXPECT_EQ(run(config_commands(), {"show"}), 0);
  EXPECT_EQ(printed, "a: [x y]\nchains.1.hermes: 0x1\nui.port: 4449\n");
  node.on("POST /config/user", 200, R"({"data":{}})");
  EXPECT_EQ(run(config_commands(), {"set", "network", "http://hub:8080"}), 0);
  EXPECT_TRUE(node.was_asked(R"(POST /config/user {"data":{"network":"http://hub:8080"}})"));
  EXPECT_EQ(run(config_commands(), {"set", "one"}), 1);
}

TEST_F(CliTest, UnknownSubCommandsAndFlagsAreExplained) {
  EXPECT_EQ(run(account_commands(), {"nonsense"}), kUnknownCommand);
  EXPECT_EQ(run(account_commands(), {"info", "--nonsense"}), kFailed);
  EXPECT_TRUE(shows("Incorrect Usage: flag provided but not defined: -nonsense"));
  EXPECT_EQ(run(account_commands(), {}), kOk);
  EXPECT_EQ(run(account_commands(), {"info", "--help"}), kOk);
  EXPECT_TRUE(node.asked.empty());
}

TEST(ShellWords, SplitAsAPosixShell) {
  EXPECT_EQ(split_words(R"(a 'b c' "d \" $x" e\ f '' "")"),
            (Words{"a", "b c", "d \" $x", "e f", "", ""}));
  EXPECT_EQ(split_words("  "), Words{});
  EXPECT_EQ(split_words("a\"b\"'c'd"), Words{"abcd"});
  for (const char* bad : {"'a", "\"a", "a\\", "\"a\\\""})
    EXPECT_FALSE(split_words(bad).has_value()) << bad;
}

TEST_F(CliTest, ShellRunsItsCommands) {
  Shell shell(context);
  node.on("PUT /connection", 201, R"({"status":"Connected"})");
  EXPECT_TRUE(
      shell.run({"connect", "0xc", "0xp", "wireguard", "dns=1.1.1.1", "disable-kill-switch"}));
  EXPECT_TRUE(node.was_asked(
      R"(PUT /connection {"consumer_id":"0xc","provider_id":"0xp","service_type":"wireguard","connect_options":{"dns":"1.1.1.1","kill_switch":true}})"));
  EXPECT_FALSE(shell.run({"connect", "0xc", "0xp", "wireguard", "dns=maybe"}));
  EXPECT_FALSE(shell.run({"connect", "0xc"}));
  EXPECT_TRUE(shows("Usage: connect <consumer>"));
  EXPECT_TRUE(shell.run({"dance"}));  // help, as the reference
  EXPECT_TRUE(shell.run({"identities"}));
  EXPECT_FALSE(shell.run({"identities", "dance"}));
  EXPECT_TRUE(shows("Unknown sub-command 'dance'"));
  EXPECT_TRUE(shell.run({"help"}));
  node.on("POST /services", 201,
          R"({"id":"i","provider_id":"0xp","type":"wireguard","status":"Running"})");
  EXPECT_TRUE(shell.run(
      {"service", "start", "0xp", "wireguard", "--wireguard.allowed.subnet=10.9.0.0/16"}));
  EXPECT_TRUE(node.was_asked(
      R"(POST /services {"provider_id":"0xp","type":"wireguard","options":{"subnet":"10.9.0.0/16"}})"));
  EXPECT_TRUE(shows("[Running]"));
  EXPECT_FALSE(shell.run({"service", "stop", "x"}));  // 404
  EXPECT_TRUE(shell.run({"version"}));
  EXPECT_FALSE(shell.wants_to_leave());
  EXPECT_TRUE(shell.run({"quit"}));
  EXPECT_TRUE(shell.wants_to_leave());
}

TEST_F(CliTest, AmountsToWithdrawAreExact) {
  Shell shell(context);
  for (const auto& [text, wei] : {std::pair{"0.1", "100000000000000000"},
                                  {"99", "99000000000000000000"},
                                  {"1.000000000000000001", "1000000000000000001"}}) {
    (void)shell.run({"identities", "withdraw", "0xp", "0xb", "137", text});
    EXPECT_NE(node.asked.back().find("\"amount\":\"" + std::string(wei) + "\""), std::string::npos)
        << node.asked.back();
  }
  const std::size_t asked = node.asked.size();
  for (const char* bad : {"", ".", "0", "-1", "1e1", "99.000000000000000001", "1.2.3", "nan",
                          "1.0000000000000000001"}) {
    EXPECT_FALSE(shell.run({"identities", "withdraw", "0xp", "0xb", "137", bad})) << bad;
  }
  EXPECT_EQ(node.asked.size(), asked);
}

TEST_F(CliTest, ShellCompletesCommandsAndIdentities) {
  Shell shell(context);
  node.on("GET /identities", 200, R"({"identities":[{"id":"0xc0"},{"id":"0xd0"}]})");
  EXPECT_EQ(shell.complete({"conn"}), Words{"connect"});
  EXPECT_EQ(shell.complete({"service", "st"}), (Words{"start", "stop", "status"}));
  EXPECT_EQ(shell.complete({"identities", "get", "0xc"}), Words{"0xc0"});
}

TEST_F(CliTest, EveryShellCommandSurvivesANodeThatFails) {
  Shell shell(context);
  for (const auto& group : {shell_connection_commands(), shell_service_commands(),
                            shell_identity_commands(), shell_money_commands()}) {
    for (const ShellCommand& command : group) {
      Words words{std::string(command.first)};
      if (!command.second.empty()) words.emplace_back(command.second);
      words.insert(words.end(), command.least, "1");
      (void)shell.run(words);
    }
  }
  EXPECT_TRUE(shows("HTTP status 404"));
}

TEST(LineBuffer, EditsByKeys) {
  LineBuffer line;
  const std::vector<std::string> history{"first", "second"};
  const auto type = [&](std::string_view keys) {
    LineBuffer::Result last = LineBuffer::Result::More;
    for (const char c : keys) last = line.key(c, history);
    return last;
  };
  type("helo");
  type("\x1b[Dl");  // left, then the missing letter
  EXPECT_EQ(line.text(), "hello");
  type(
      "\x01"
      "X\x05!");
  EXPECT_EQ(line.text(), "Xhello!");
  type("\x1b[H\x1b[3~\x1b[F\x7f");
  EXPECT_EQ(line.text(), "hello");
  type("\x1b[A");
  EXPECT_EQ(line.text(), "second");
  type("\x1b[A\x1b[A");
  EXPECT_EQ(line.text(), "first");
  type("\x1b[B\x1b[B");
  EXPECT_EQ(line.text(), "hello");
  type("\x15");
  EXPECT_EQ(line.text(), "");
  type("a\xc3\xa4\x7f");
  EXPECT_EQ(line.text(), "a");
  type(" word\x17");
  EXPECT_EQ(line.text(), "a ");
  EXPECT_EQ(type("\x03"), LineBuffer::Result::More);  // clears
  EXPECT_EQ(line.text(), "");
  EXPECT_EQ(type("\x03"), LineBuffer::Result::Leave);
  EXPECT_EQ(type("\x04"), LineBuffer::Result::Leave);
  EXPECT_EQ(type("x\r"), LineBuffer::Result::Enter);
  EXPECT_EQ(type("\t"), LineBuffer::Result::Complete);
  type(std::string(10000, 'y'));
  EXPECT_LE(line.text().size(), 4096u);
  type("\x1b\x1b\x1b[9999999999999m\x1bOA");
}

}  // namespace
}  // namespace myst::app
