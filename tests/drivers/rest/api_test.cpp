// The API as its clients see it, without a server around it.
#include "drivers/rest/api.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "core/base/text.hpp"
#include "drivers/rest/bodies.hpp"
#include "drivers/rest/contract.hpp"
#include "drivers/rest/jwt.hpp"
#include "tests/support/fake_node.hpp"

namespace myst::rest {
namespace {

using test::golden_consumer;
using test::golden_provider;

struct Got {
  std::optional<Response> response;
  std::vector<std::string> chunks;
  bool room = true, gone = false, streaming = false;
};

class FakeStream final : public Stream {
 public:
  explicit FakeStream(std::shared_ptr<Got> got) : got_(std::move(got)) {}
  bool ready() const override { return got_->room && !got_->gone; }
  bool write(std::string chunk) override {
    got_->chunks.push_back(std::move(chunk));
    return true;
  }
  bool closed() const override { return got_->gone; }
  void close() override { got_->gone = true; }

 private:
  std::shared_ptr<Got> got_;
};

class FakeAnswerer final : public Answerer {
 public:
  explicit FakeAnswerer(std::shared_ptr<Got> got) : got_(std::move(got)) {}
  void answer(Response response) override {
    ASSERT_FALSE(got_->response.has_value()) << "answered twice";
    got_->response = std::move(response);
    if (got_->response->sent) got_->response->sent();
  }
  std::shared_ptr<Stream> open_stream(Response head) override {
    got_->response = std::move(head);
    got_->streaming = true;
    return std::make_shared<FakeStream>(got_);
  }

 private:
  std::shared_ptr<Got> got_;
};

class ApiTest : public testing::Test {
 protected:
  ~ApiTest() override { (void)unlink(password_file_.c_str()); }

  std::shared_ptr<Got> send(Request request) {
    auto got = std::make_shared<Got>();
    api_.handle(std::move(request), std::make_unique<FakeAnswerer>(got));
    return got;
  }
  std::shared_ptr<Got> send(const char* method, std::string target, std::string body = "") {
    Request request;
    request.method = method;
    request.target = std::move(target);
    request.host = "127.0.0.1:4050";
    request.peer = IpAddress::v4(127, 0, 0, 1);
    request.body = std::move(body);
    return send(std::move(request));
  }
  // "200 body"
  std::string ask(const char* method, std::string target, std::string body = "") {
    const auto got = send(method, std::move(target), std::move(body));
    if (!got->response) return "nothing";
    return std::to_string(got->response->status) + " " + got->response->body;
  }
  std::string ask_slowly(const char* method, std::string target, std::string body) {
    const auto got = send(method, std::move(target), std::move(body));
    EXPECT_TRUE(
        loop_.run_until([&] { return got->response.has_value(); }, std::chrono::seconds{20}));
    return std::to_string(got->response->status) + " " + got->response->body;
  }
  static std::string header(const Got& got, std::string_view name) {
    for (const auto& [key, value] : got.response->headers) {
      if (key == name) return value;
    }
    return "";
  }

  std::string password_file_ = "/tmp/myst-api-test-" + std::to_string(getpid());
  platform::Loop loop_;
  test::FakeNode node_;
  Authenticator account_{loop_, password_file_, Bytes(256, 1)};
  Api api_{loop_, node_, account_, {}};
};

const char kParseFailed[] =
    R"(400 {"error":{"code":"parse_failed","message":"Could not parse request"},"status":400,"path":")";

bool has_code(const std::string& answer, std::string_view status, std::string_view code) {
  return answer.compare(0, status.size(), status) == 0 &&
         answer.find("\"code\":\"" + std::string(code) + "\"") != std::string::npos;
}

TEST_F(ApiTest, HealthcheckHasTheNodesFigures) {
  const auto got = send("GET", "/healthcheck");
  EXPECT_EQ(got->response->status, 200);
  EXPECT_EQ(got->response->content_type, "application/json; charset=utf-8");
  EXPECT_EQ(header(*got, "Cache-Control"), "no-cache, no-store, must-revalidate");
  EXPECT_EQ(
      got->response->body,
      R"({"uptime":"1.5s","process":)" + std::to_string(getpid()) +
          R"(,"version":"0.1.0","build_info":{"commit":"abcdef12","branch":"main","build_number":"7"}})");
}

TEST_F(ApiTest, UnknownPathsAndMethodsArePlain404) {
  for (const auto& [method, path] : {std::pair{"GET", "/nothing"},
                                     {"PATCH", "/healthcheck"},
                                     {"GET", "/"},
                                     {"GET", "/identities//unlock"},
                                     {"GET", ""}}) {
    const auto got = send(method, path);
    EXPECT_EQ(got->response->status, 404) << path;
    EXPECT_EQ(got->response->content_type, "text/plain");
    EXPECT_EQ(got->response->body, "404 page not found");
  }
}

TEST_F(ApiTest, TrailingSlashIsRedirected) {
  const auto got = send("GET", "/healthcheck/?a=b");
  EXPECT_EQ(got->response->status, 301);
  EXPECT_EQ(header(*got, "Location"), "/healthcheck?a=b");
  EXPECT_EQ(send("POST", "/stop/")->response->status, 307);
  EXPECT_EQ(node_.stops, 0);
}

TEST_F(ApiTest, ForeignHostsAndOriginsGetAnEmpty403) {
  Request request;
  request.method = "GET";
  request.target = "/healthcheck";
  request.host = "evil.example:4050";
  EXPECT_EQ(send(request)->response->status, 403);
  request.host = "localhost:4050";
  request.origin = "http://evil.example";
  const auto got = send(request);
  EXPECT_EQ(got->response->status, 403);
  EXPECT_EQ(got->response->body, "");
  EXPECT_EQ(got->response->content_type, "");
  request.origin = "http://localhost:4050";
  EXPECT_EQ(send(request)->response->status, 200);
}

TEST_F(ApiTest, BrokenEscapesAreRefused) {
  for (const char* path : {"/health%", "/%zz", "/identities/%00"}) {
    EXPECT_EQ(send("GET", path)->response->status, 400) << path;
  }
  EXPECT_EQ(send("GET", "/health%63heck")->response->status, 200);
}

TEST_F(ApiTest, StopAnswersFirst) {
  EXPECT_EQ(ask("POST", "/stop"), "202 ");
  EXPECT_EQ(node_.stops, 1);
}

TEST_F(ApiTest, SecuredModeNeedsATokenButOnOpenRoutes) {
  Api secured(loop_, node_, account_, {".", true});
  const auto ask_secured = [&](const char* target, std::string authorization) {
    auto got = std::make_shared<Got>();
    Request request;
    request.method = "GET";
    request.target = target;
    request.authorization = std::move(authorization);
    secured.handle(std::move(request), std::make_unique<FakeAnswerer>(got));
    return got->response->status;
  };
  EXPECT_EQ(ask_secured("/healthcheck", ""), 200);
  EXPECT_EQ(ask_secured("/identities", ""), 401);
  EXPECT_EQ(ask_secured("/identities", "Bearer"), 400);
  EXPECT_EQ(ask_secured("/identities", "Bearer x.y.z"), 401);
  EXPECT_EQ(ask_secured("/identities?x=/healthcheck", ""), 401);
  EXPECT_EQ(ask_secured("/identities", "Bearer " + account_.issue(node_.clock.wall).text), 200);
}

TEST_F(ApiTest, LoginSetsTheCookieAndLogoutClearsIt) {
  const auto got = send("POST", "/auth/login", R"({"username":"myst","password":"mystberry"})");
  ASSERT_TRUE(loop_.run_until([&] { return got->response.has_value(); }, std::chrono::seconds{20}));
  ASSERT_EQ(got->response->status, 200) << got->response->body;
  EXPECT_NE(got->response->body.find(R"("expires_at":"2023-11-16T22:13:20Z")"), std::string::npos);
  const std::string cookie = header(*got, "Set-Cookie");
  EXPECT_NE(cookie.find("; Path=/; Expires=Thu, 16 Nov 2023 22:13:20 GMT; HttpOnly"),
            std::string::npos)
      << cookie;
  const auto token = find_token("", cookie.substr(0, cookie.find(';')));
  EXPECT_TRUE(account_.verify(*token, node_.clock.wall).ok());
  EXPECT_EQ(header(*send("DELETE", "/auth/logout"), "Set-Cookie"),
            "token=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly");
}

TEST_F(ApiTest, WrongCredentialsAre401) {
  EXPECT_TRUE(
      has_code(ask_slowly("POST", "/auth/authenticate", R"({"username":"myst","password":"x"})"),
               "401", "shall_not_pass"));
  EXPECT_EQ(ask("POST", "/auth/authenticate", "").compare(0, sizeof kParseFailed - 1, kParseFailed),
            0);
  EXPECT_EQ(ask_slowly("PUT", "/auth/password",
                       R"({"username":"myst","old_password":"mystberry","new_password":"n"})"),
            "200 ");
  EXPECT_TRUE(has_code(ask_slowly("PUT", "/auth/password", R"({"old_password":"n"})"), "401",
                       "shall_not_pass"));
}

TEST_F(ApiTest, ConfigIsSetSavedAndShown) {
  EXPECT_EQ(
      ask("POST", "/config/user",
          R"({"data":{"shaper":{"enabled":true,"bandwidth":6250},"ui.features":"restart"}})"),
      R"(200 {"data":{"shaper":{"bandwidth":6250,"enabled":true},"ui":{"features":"restart"}}})");
  EXPECT_EQ(ask("GET", "/config/ui/features"), "200 restart");
  EXPECT_EQ(ask("POST", "/config/user", R"({"data":{"ui.features":null,"shaper":null}})"),
            R"(200 {"data":{"ui":{}}})");
  EXPECT_NE(ask("GET", "/config").find(R"("tequilapi":{"address":"127.0.0.1")"), std::string::npos);
  EXPECT_NE(ask("GET", "/config/default").find(R"("channelimplementation":"0x6b42)"),
            std::string::npos);
  EXPECT_TRUE(
      has_code(ask("POST", "/config/user", R"({"data":{"shaper":5}})"), "500", "err_config_save"));
  EXPECT_TRUE(has_code(ask("POST", "/config/user", R"({"data":7})"), "400", "parse_failed"));
  EXPECT_EQ(ask("POST", "/config/user", "null"), R"(200 {"data":{"ui":{}}})");
}

TEST_F(ApiTest, TermsCountForTheirVersionOnly) {
  EXPECT_EQ(
      ask("GET", "/terms"),
      R"(200 {"agreed_provider":false,"agreed_consumer":false,"agreed_version":"","current_version":"0.0.53"})");
  EXPECT_EQ(ask("POST", "/terms", R"({"agreed_provider":true,"agreed_version":"0.0.53"})"), "200 ");
  EXPECT_EQ(
      ask("GET", "/terms"),
      R"(200 {"agreed_provider":true,"agreed_consumer":false,"agreed_version":"0.0.53","current_version":"0.0.53"})");
  EXPECT_EQ(ask("POST", "/terms", "{}"), "200 ");
  EXPECT_NE(ask("GET", "/terms").find(R"("agreed_provider":false)"), std::string::npos);
}

TEST_F(ApiTest, IdentitiesAreListedCreatedUnlocked) {
  EXPECT_EQ(ask("GET", "/identities"),
            R"(200 {"identities":[{"id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"},)"
            R"({"id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"}]})");
  EXPECT_EQ(ask("POST", "/identities", R"({"passphrase":""})"),
            R"(200 {"id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"})");
  EXPECT_TRUE(has_code(ask("POST", "/identities", "{}"), "400", "validation_failed"));
  EXPECT_TRUE(has_code(ask("POST", "/identities", R"({"passphrase":null})"), "400", "required"));
  EXPECT_TRUE(has_code(ask("POST", "/identities", R"({"passphrase":5})"), "400", "parse_failed"));
  EXPECT_EQ(ask("PUT", "/identities/current", R"({"id":null,"Passphrase":"x"})"),
            R"(200 {"id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68"})");
  EXPECT_EQ(node_.passphrase, "x");
  EXPECT_EQ(ask("PUT", "/identities/0x53A835143C0EF3BBCBFA796D7EB738CA7DD28F68/unlock",
                R"({"passphrase":"y"})"),
            "202 ");
  EXPECT_TRUE(has_code(ask("GET", "/identities/current"), "404", "not_found"));
  EXPECT_TRUE(
      has_code(ask("PUT", "/identities/0x01/unlock", R"({"passphrase":""})"), "404", "not_found"));
  node_.failure = Failure{403, "err_id_unlock", "wrong passphrase"};
  EXPECT_TRUE(has_code(ask("PUT", "/identities/0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68/unlock",
                           R"({"passphrase":"z"})"),
                       "403", "err_id_unlock"));
}

TEST_F(ApiTest, IdentityEchoesTheIdAsTyped) {
  const std::string id = "0x53A835143C0EF3BBCBFA796D7EB738CA7DD28F68";
  EXPECT_NE(ask("GET", "/identities/" + id).find("\"id\":\"" + id + "\""), std::string::npos);
  EXPECT_EQ(ask("GET", "/identities/" + id + "/registration"),
            R"(200 {"status":"Registered","registered":true})");
}

TEST_F(ApiTest, RegisteringFollowsTheStatus) {
  const std::string path = "/identities/" + golden_provider().to_string() + "/register";
  EXPECT_EQ(ask("POST", path, "{}"), "200 ");
  node_.identity_info.registration = Registration::InProgress;
  EXPECT_TRUE(has_code(ask("POST", path, R"({"fee":12345678901234567890123})"), "422",
                       "err_id_registration_in_progress"));
  node_.identity_info.registration = Registration::Unregistered;
  const std::string answer = ask("POST", path, "{}");
  EXPECT_TRUE(has_code(answer, "500", "err_transactor_registration"));
  EXPECT_NE(answer.find("no chain"), std::string::npos);
  EXPECT_TRUE(has_code(ask("POST", path, R"({"fee":"1"})"), "400", "parse_failed"));
}

TEST_F(ApiTest, ExportIsForTheSameMachineOnly) {
  const std::string body =
      R"({"identity":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68","newpassphrase":"n"})";
  const auto got = send("POST", "/identities/export", body);
  EXPECT_EQ(got->response->content_type, "text/plain; charset=utf-8");
  EXPECT_EQ(got->response->body, R"({"version":3})");
  Request request = {"POST",
                     "/identities/export",
                     "127.0.0.1:4050",
                     "",
                     "",
                     "",
                     "192.168.1.9",
                     "",
                     IpAddress::v4(127, 0, 0, 1),
                     body};
  EXPECT_EQ(send(request)->response->status, 403);
  EXPECT_TRUE(has_code(ask("POST", "/identities/export", "{}"), "400", "validation_failed"));
}

TEST_F(ApiTest, ImportDecodesTheDocument) {
  EXPECT_EQ(ask("POST", "/identities-import",
                R"({"data":")" + to_base64(as_bytes("{}")) +
                    R"(","current_passphrase":"c","set_default":true})"),
            R"(200 {"id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"})");
  EXPECT_EQ(node_.import_request->keystore_json, "{}");
  EXPECT_TRUE(node_.import_request->set_default);
  EXPECT_TRUE(
      has_code(ask("POST", "/identities-import", R"({"data":"%","current_passphrase":"c"})"), "400",
               "parse_failed"));
  const std::string answer = ask("POST", "/identities-import", "{}");
  EXPECT_NE(answer.find("data: 'data' is required [required]; current_passphrase:"),
            std::string::npos);
}

TEST_F(ApiTest, ConnectTakesEveryMember) {
  node_.connection_info.state = ConnectionState::Connected;
  EXPECT_EQ(
      ask("PUT", "/connection",
          R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","provider_id":"0xABC","service_type":"wireguard",)"
          R"("filter":{"providers":["0xDEF"],"country_code":"LT","ip_type":"residential","include_monitoring_failed":true,"sort_by":"price"},)"
          R"("hermes_id":"","connect_options":{"kill_switch":true,"dns":"1.1.1.1, 8.8.8.8","proxy_port":40001}} trailing)"),
      R"(201 {"status":"Connected"})");
  const ConnectRequest& request = *node_.connect_request;
  EXPECT_EQ(request.consumer, golden_consumer());
  EXPECT_EQ(request.providers, (std::vector<std::string>{"0xdef", "0xabc"}));
  EXPECT_EQ(request.country, "LT");
  EXPECT_EQ(request.ip_type, "residential");
  EXPECT_TRUE(request.include_monitoring_failed);
  EXPECT_EQ(request.sort_by, core::SortBy::LowestPrice);
  EXPECT_TRUE(request.hermes.has_value() && request.hermes->is_zero());
  EXPECT_TRUE(request.disable_kill_switch);
  EXPECT_EQ(request.dns.servers.size(), 2u);
  EXPECT_EQ(request.slot, 40001);
}

TEST_F(ApiTest, ConnectAnswersWhenConnected) {
  node_.hold_connect = true;
  const auto got =
      send("PUT", "/connection", R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"})");
  EXPECT_FALSE(got->response.has_value());
  EXPECT_FALSE(node_.connect_request->hermes.has_value());
  ConnectionInfo info;
  info.state = ConnectionState::Connected;
  node_.pending_connect(info);
  EXPECT_EQ(got->response->status, 201);
}

TEST_F(ApiTest, ConnectNamesWhatIsWrong) {
  EXPECT_TRUE(has_code(ask("PUT", "/connection", "{}"), "400", "validation_failed"));
  EXPECT_TRUE(
      has_code(ask("PUT", "/connection", R"({"consumer_id":"bob"})"), "400", "invalid_value"));
  for (
      const char* bad :
      {R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","connect_options":{"dns":"maybe"}})",
       R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","connect_options":{"proxy_port":70000}})",
       R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","filter":[]})", "[", "[]",
       "5", ""}) {
    EXPECT_TRUE(has_code(ask("PUT", "/connection", bad), "400", "parse_failed")) << bad;
  }
  EXPECT_TRUE(has_code(
      ask("PUT", "/connection",
          R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a","filter":{"sort_by":"luck"}})"),
      "500", "err_connect"));
  node_.failure = Failure{422, "err_connection_already_exists", "Connection already exists"};
  EXPECT_TRUE(has_code(
      ask("PUT", "/connection", R"({"consumer_id":"0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a"})"),
      "422", "err_connection_already_exists"));
}

TEST_F(ApiTest, ConnectionStatusStatisticsAndEnd) {
  EXPECT_EQ(ask("GET", "/connection"), R"(200 {"status":"NotConnected"})");
  EXPECT_TRUE(has_code(ask("GET", "/connection?id=x"), "400", "parse_failed"));
  EXPECT_NE(ask("GET", "/connection/statistics").find(R"("tokens_spent":0)"), std::string::npos);
  EXPECT_EQ(ask("GET", "/connection/traffic"), R"(200 {"bytes_sent":0,"bytes_received":0})");
  EXPECT_EQ(ask("DELETE", "/connection?id=7"), "202 ");
  EXPECT_EQ(node_.disconnected_slot, 7);
}

TEST_F(ApiTest, LocationIsAlwaysAnswered) {
  node_.place.ip = "198.51.100.1";
  EXPECT_EQ(
      ask("GET", "/location"),
      R"(200 {"ip":"198.51.100.1","asn":0,"isp":"","continent":"","country":"","region":"","city":"","ip_type":""})");
  EXPECT_EQ(ask("GET", "/connection/ip"), R"(200 {"ip":"198.51.100.1"})");
  node_.failure = Failure{503, "unavailable", "Service Unavailable"};
  EXPECT_EQ(
      ask("GET", "/location"),
      R"(200 {"ip":"","asn":0,"isp":"","continent":"","country":"","region":"","city":"","ip_type":""})");
  EXPECT_TRUE(has_code(ask("GET", "/connection/location"), "503", "unavailable"));
}

TEST_F(ApiTest, ProposalsAreFilteredByTheQuery) {
  node_.market = {test::golden_proposal(), test::golden_proposal()};
  EXPECT_NE(
      ask("GET", "/proposals?location_country=LT&service_type=wireguard").find("Telia \\u0026 Co"),
      std::string::npos);
  EXPECT_EQ(node_.proposal_filter.location_country, "LT");
  EXPECT_EQ(node_.proposal_filter.compatibility_min, 2);
  (void)ask("GET", "/proposals?compatibility_min=0&nat_compatibility=auto");
  EXPECT_EQ(node_.proposal_filter.compatibility_min, 0);
  EXPECT_EQ(node_.proposal_filter.nat_compatibility, "prcone");
  EXPECT_EQ(ask("GET", "/proposals/countries"), R"(200 {"LT":2})");
  EXPECT_EQ(ask("GET", "/proposals/filter-presets")
                .compare(0, 34, R"(200 {"items":[{"id":1,"name":"Medi)"),
            0);
  node_.market.clear();
  EXPECT_EQ(ask("GET", "/proposals"), R"(200 {"proposals":[]})");
  node_.failure = Failure{500, "internal", "discovery is down"};
  EXPECT_TRUE(has_code(ask("GET", "/proposals"), "500", "err_proposals_query"));
}

TEST_F(ApiTest, PricesFallBackToDataTransfer) {
  EXPECT_NE(ask("GET", "/prices/current")
                .find(R"("service_type":"wireguard","price_per_hour":60000000000000)"),
            std::string::npos);
  EXPECT_TRUE(
      has_code(ask("GET", "/prices/current?service_type=x"), "400", "err_proposals_service_type"));
  const std::string all = ask("GET", "/v2/prices/current");
  EXPECT_LT(all.find("wireguard"), all.find("quic_scraping"));
  EXPECT_LT(all.find("\"dvpn"), all.find("monitoring"));
}

TEST_F(ApiTest, ServicesStartAndStop) {
  EXPECT_EQ(ask("GET", "/services"), "200 []");
  EXPECT_EQ(ask("GET", "/services?include_all=true")
                .find(R"(200 [{"type":"wireguard","status":"NotRunning"},)"),
            0u);
  EXPECT_TRUE(has_code(ask("GET", "/services?include_all=maybe"), "400", "err_service_list"));
  EXPECT_EQ(
      ask("POST", "/services?ignore_user_config=true",
          R"({"provider_id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68","type":"wireguard",)"
          R"("access_policies":{"ids":["mysterium"]},"options":{"subnet":"10.9.0.0/16"}})"),
      R"(201 {"id":"6ba7b810-9dad-11d1-80b4-00c04fd430c8","provider_id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68",)"
      R"("type":"wireguard","options":{"subnet":"10.9.0.0/16"},"status":"Running"})");
  EXPECT_TRUE(node_.service_start->keep_user_config);
  EXPECT_EQ(node_.service_start->policies, (std::vector<std::string>{"mysterium"}));
  ServiceInfo info;
  info.id = "abc";
  info.type = "noop";
  node_.running = {info};
  EXPECT_EQ(ask("GET", "/services/abc"), R"(200 {"id":"abc","type":"noop","status":"NotRunning"})");
  EXPECT_TRUE(has_code(ask("GET", "/services/x"), "404", "not_found"));
  EXPECT_EQ(ask("DELETE", "/services/abc"), "202 ");
  EXPECT_EQ(node_.stopped_service, "abc");
}

TEST_F(ApiTest, ServiceStartNamesWhatIsWrong) {
  const std::string id = R"("provider_id":"0x53a835143c0ef3bbcbfa796d7eb738ca7dd28f68")";
  EXPECT_TRUE(has_code(ask("POST", "/services", "{" + id + R"(,"type":"noop","extra":1})"), "400",
                       "parse_failed"));
  EXPECT_TRUE(
      has_code(ask("POST", "/services", "{" + id + R"(,"type":"magic"})"), "400", "invalid_value"));
  EXPECT_TRUE(has_code(ask("POST", "/services", "{}"), "400", "required"));
  EXPECT_NE(ask("POST", "/services", "{" + id + R"(,"type":"wireguard","options":{"subnet":"x"}})")
                .find("\"options\":{\"code\":\"invalid_value\""),
            std::string::npos);
  EXPECT_EQ(
      ask("POST", "/services", "{" + id + R"(,"type":"noop","options":"ignored"})").substr(0, 3),
      "201");
}

TEST_F(ApiTest, AHundredThousandSessionsComeInPages) {
  SessionRecord session;
  session.id = "s";
  node_.history.assign(100000, session);
  const std::string first = ask("GET", "/sessions");
  EXPECT_NE(first.find(R"("page":1,"page_size":50,"total_items":100000,"total_pages":2000)"),
            std::string::npos);
  EXPECT_NE(ask("GET", "/sessions?page=9999&page_size=30").find(R"("page":3334,"page_size":30)"),
            std::string::npos);
  EXPECT_NE(ask("GET", "/sessions?page=-4&page_size=-1")
                .find(R"("page":1,"page_size":-1,"total_items":100000,"total_pages":10000)"),
            std::string::npos);
  EXPECT_NE(ask("GET", "/sessions?page_size=100000").find(R"("page_size":1000)"),
            std::string::npos);
  EXPECT_NE(ask("GET", "/sessions?page=9223372036854775807").find(R"("page":2000)"),
            std::string::npos);
  EXPECT_EQ(node_.largest_limit, 1000u);
  node_.history.clear();
  EXPECT_EQ(ask("GET", "/sessions"),
            R"(200 {"items":[],"page":1,"page_size":50,"total_items":0,"total_pages":1})");
}

TEST_F(ApiTest, SessionFiltersAreReadOrRefused) {
  (void)ask("GET",
            "/sessions?date_from=2024-01-01&date_to=2024-01-02&direction=Provided&status=New&"
            "hermes_id=0xA");
  EXPECT_EQ(unix_seconds(*node_.session_filter.from), 1704067200);
  EXPECT_EQ(unix_seconds(*node_.session_filter.to), 1704239999);
  EXPECT_EQ(node_.session_filter.direction, Direction::Provided);
  EXPECT_EQ(node_.session_filter.completed, false);
  EXPECT_EQ(node_.session_filter.hermes_id, "0xA");
  for (const char* bad :
       {"page=x", "page_size=1.5", "date_from=yesterday", "direction=up", "status=open"}) {
    EXPECT_TRUE(has_code(ask("GET", std::string("/sessions?") + bad), "400", "validation_failed"))
        << bad;
  }
}

TEST_F(ApiTest, DailyStatisticsFillEveryDay) {
  node_.days = {{19753, {3, 2, 10, 20, 61, 5}}};
  node_.totals = {3, 2, 10, 20, 61, 5};
  EXPECT_EQ(
      ask("GET", "/sessions/stats-daily?date_from=2024-01-30&date_to=2024-01-31"),
      R"(200 {"items":{"2024-01-30":{"count":0,"count_consumers":0,"sum_bytes_received":0,"sum_bytes_sent":0,"sum_duration":0,"sum_tokens":0},)"
      R"("2024-01-31":{"count":3,"count_consumers":2,"sum_bytes_received":10,"sum_bytes_sent":20,"sum_duration":61,"sum_tokens":5}},)"
      R"("stats":{"count":3,"count_consumers":2,"sum_bytes_received":10,"sum_bytes_sent":20,"sum_duration":61,"sum_tokens":5}})");
  EXPECT_EQ(
      ask("GET", "/sessions/stats-aggregated"),
      R"(200 {"stats":{"count":3,"count_consumers":2,"sum_bytes_received":10,"sum_bytes_sent":20,"sum_duration":61,"sum_tokens":5}})");
  EXPECT_TRUE(has_code(ask("GET", "/sessions/stats-daily?date_from=0001-01-01"), "400",
                       "validation_failed"));
}

TEST_F(ApiTest, WithoutAChainItsOperationsSaySo) {
  const std::string id = "/identities/" + golden_provider().to_string();
  EXPECT_EQ(ask("GET", id + "/beneficiary-async"), R"(200 {"address":""})");
  EXPECT_TRUE(has_code(ask("POST", id + "/beneficiary-async", R"({"address":"moon"})"), "400",
                       "err_id_save_beneficiary_invalid_address"));
  EXPECT_TRUE(has_code(ask("POST", "/transactor/settle/sync", "{}"), "500", "err_hermes_settle"));
  EXPECT_TRUE(has_code(ask("POST", "/transactor/settle/async", "not json"), "500",
                       "err_hermes_settle_async"));
  EXPECT_TRUE(has_code(ask("GET", "/v2/transactor/fees"), "500", "err_transactor_fetch_fees"));
  EXPECT_TRUE(has_code(ask("POST", "/transactor/stake/decrease", R"({"amount":1})"), "500",
                       "err_transactor_decrease_stake"));
  EXPECT_TRUE(
      has_code(ask("POST", "/transactor/stake/decrease", "not json"), "400", "parse_failed"));
  EXPECT_EQ(ask("GET", id + "/migrate-hermes/status"), R"(200 {"status":"finished"})");
  const std::string wallet = golden_provider().to_string();
  const auto withdrawal = [&](const std::string& rest) {
    return ask("POST", "/transactor/settle/withdraw",
               R"({"hermes_id":")" + wallet + R"(","provider_id":")" + wallet + "\"" + rest + "}");
  };
  const std::string to = R"(,"beneficiary":")" + wallet + "\"";
  EXPECT_TRUE(has_code(withdrawal(to), "500", "err_transactor_withdraw"));
  EXPECT_TRUE(has_code(withdrawal(to + R"(,"to_chain_id":137,"amount":"99000000000000000000")"),
                       "500", "err_transactor_withdraw"));
  for (const std::string& bad :
       {std::string(), to + R"(,"amount":"99000000000000000001")", to + R"(,"amount":"1e3")",
        to + R"(,"amount":"0")", to + R"(,"from_chain_id":7)", to + R"(,"to_chain_id":-1)",
        std::string(R"(,"beneficiary":"0x0000000000000000000000000000000000000000")")}) {
    EXPECT_TRUE(has_code(withdrawal(bad), "400", "validation_failed")) << bad;
  }
  EXPECT_TRUE(has_code(ask("GET", id + "/beneficiary"), "500", "err_beneficiary_get"));
  EXPECT_EQ(
      ask("GET", "/transactor/settle/history"),
      R"(200 {"items":[],"page":1,"page_size":50,"total_items":0,"total_pages":1,"withdrawal_total":"0"})");
}

TEST_F(ApiTest, EventsComeAtOnceAndAfterChanges) {
  const auto got = send("GET", "/events/state");
  EXPECT_EQ(got->response->content_type, "text/event-stream");
  EXPECT_EQ(header(*got, "Cache-Control"), "no-cache,no-transform");
  ASSERT_EQ(got->chunks.size(), 1u);
  EXPECT_EQ(got->chunks[0].compare(0, 33, R"(data: {"payload":{"service_info":)"), 0);
  EXPECT_NE(got->chunks[0].find("\"type\":\"state-change\"}\n\n"), std::string::npos);
  ASSERT_TRUE(node_.state_watcher);
  for (int i = 0; i < 100; ++i) node_.state_watcher();
  EXPECT_TRUE(loop_.run_until([&] { return got->chunks.size() == 2; }, std::chrono::seconds{20}));
  // A client without room misses a message and gets the newest state later.
  got->room = false;
  node_.state_watcher();
  (void)loop_.run_until([] { return false; }, std::chrono::milliseconds{250});
  EXPECT_EQ(got->chunks.size(), 2u);
  got->room = true;
  EXPECT_TRUE(loop_.run_until([&] { return got->chunks.size() == 3; }, std::chrono::seconds{20}));
  got->gone = true;
  node_.state_watcher();
  EXPECT_TRUE(loop_.run_until([&] { return !node_.state_watcher; }, std::chrono::seconds{20}));
  EXPECT_EQ(api_.events().clients(), 0u);
}

TEST_F(ApiTest, EventStreamsAreLimited) {
  std::vector<std::shared_ptr<Got>> clients;
  for (std::size_t i = 0; i < EventStreams::kMaxClients; ++i)
    clients.push_back(send("GET", "/events/state"));
  EXPECT_TRUE(clients.back()->streaming);
  EXPECT_TRUE(has_code(ask("GET", "/events/state"), "503", "unavailable"));
  api_.stop();
  EXPECT_TRUE(clients.front()->gone);
}

TEST_F(ApiTest, ErrorsCarryTheirPathAndContentType) {
  const auto got = send("GET", "/connection?id=<x>");
  EXPECT_EQ(got->response->content_type, "application/vnd.mysterium.error+json");
  EXPECT_NE(got->response->body.find(R"("status":400,"path":"/connection?id=\u003cx\u003e")"),
            std::string::npos);
}

TEST_F(ApiTest, EveryRouteSurvivesNonsense) {
  for (const Route& route : routes()) {
    std::string path(route.path);
    for (std::size_t at; (at = path.find('{')) != std::string::npos;) {
      path.replace(at, path.find('}') - at + 1, "%ff%20x");
    }
    for (const char* body :
         {"", "{", "[]", "null", "{\"data\":{\"a\":{\"b\":[1,null]}}}", "\"\\ud800\""}) {
      Request request;
      request.method = std::string(route.method);
      request.target = path + "?a=%&&=&page=%zz";
      request.body = body;
      const auto got = send(request);
      (void)loop_.run_until([&] { return got->response.has_value(); }, std::chrono::seconds{20});
      EXPECT_TRUE(got->response.has_value()) << route.method << " " << path << " " << body;
    }
  }
}

}  // namespace
}  // namespace myst::rest
