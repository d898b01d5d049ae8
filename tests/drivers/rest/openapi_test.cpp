// openapi.json against the route table and against what is really answered.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "core/base/text.hpp"
#include "drivers/rest/api.hpp"
#include "tests/support/fake_node.hpp"

namespace myst::rest {
namespace {

const json::Document& description() {
  static const auto document = [] {
    std::ifstream file(std::string(MYST_VECTORS) + "/../../drivers/rest/openapi.json");
    std::stringstream text;
    text << file.rdbuf();
    return json::Document::parse(text.str());
  }();
  return *document;
}

json::Value follow(json::Value schema) {
  while (schema["$ref"].is_string()) {
    std::string reference = schema["$ref"].string_or("");
    json::Value node = description().root();
    for (const std::string_view part : split(std::string_view(reference).substr(2), '/'))
      node = node[part];
    schema = node;
  }
  return schema;
}

// Empty: fits. Else where it does not.
std::string misfit(json::Value value, json::Value schema, const std::string& where) {
  schema = follow(schema);
  if (!schema.exists()) return where + ": no schema";
  if (value.is_null() && schema["nullable"].boolean_or(false)) return "";
  for (const auto& [unused, part] : schema["allOf"]) {
    if (std::string fault = misfit(value, part, where); !fault.empty()) return fault;
  }
  const std::string type = schema["type"].string_or("");
  const bool fits =
      type.empty() || (type == "object" && value.is_object()) ||
      (type == "array" && value.is_array()) || (type == "string" && value.is_string()) ||
      (type == "boolean" && value.is_bool()) || (type == "number" && value.is_number()) ||
      (type == "integer" && value.is_number() &&
       value.to_text().find_first_of(".eE") == std::string::npos);
  if (!fits) return where + " is no " + type + ": " + value.to_text().substr(0, 60);
  if (schema["enum"].is_array()) {
    bool among = false;
    for (const auto& [unused, word] : schema["enum"])
      among = among || word.to_text() == value.to_text();
    if (!among) return where + " is none of the listed words: " + value.to_text();
  }
  for (const auto& [unused, name] : schema["required"]) {
    if (!value[name.string_or("")].exists()) return where + " lacks " + name.string_or("");
  }
  if (value.is_object() && schema["properties"].is_object()) {
    for (const auto& [name, item] : value) {
      const json::Value property = schema["properties"][name];
      if (!property.exists()) continue;
      if (std::string fault = misfit(item, property, where + "." + std::string(name));
          !fault.empty()) {
        return fault;
      }
    }
  }
  if (value.is_object() && schema["additionalProperties"].is_object()) {
    for (const auto& [name, item] : value) {
      if (std::string fault =
              misfit(item, schema["additionalProperties"], where + "." + std::string(name));
          !fault.empty()) {
        return fault;
      }
    }
  }
  if (value.is_array()) {
    for (const auto& [unused, item] : value) {
      if (std::string fault = misfit(item, schema["items"], where + "[]"); !fault.empty())
        return fault;
    }
  }
  return "";
}

class Collect final : public Answerer, public Stream {
 public:
  explicit Collect(std::optional<Response>& out) : out_(&out) {}
  void answer(Response response) override { *out_ = std::move(response); }
  std::shared_ptr<Stream> open_stream(Response head) override {
    *out_ = std::move(head);
    return std::make_shared<Collect>(*out_);
  }
  bool ready() const override { return true; }
  bool write(std::string chunk) override {
    (*out_)->body += chunk;
    return true;
  }
  bool closed() const override { return true; }
  void close() override {}

 private:
  std::optional<Response>* out_;
};

TEST(OpenApi, DescribesExactlyTheRoutes) {
  std::set<std::string> served, described;
  for (const Route& route : routes()) {
    EXPECT_TRUE(served.insert(to_lower(route.method) + " " + std::string(route.path)).second)
        << route.path;
  }
  for (const auto& [path, operations] : description().root()["paths"]) {
    for (const auto& [method, unused] : operations) {
      described.insert(std::string(method) + " " + std::string(path));
    }
  }
  EXPECT_EQ(served, described);
}

TEST(OpenApi, OperationsAreCompleteAndReferencesLead) {
  std::set<std::string> ids;
  for (const auto& [path, operations] : description().root()["paths"]) {
    for (const auto& [method, operation] : operations) {
      const std::string name = std::string(method) + " " + std::string(path);
      EXPECT_TRUE(ids.insert(operation["operationId"].string_or("")).second) << name;
      EXPECT_TRUE(operation["responses"].size() > 0) << name;
      std::set<std::string> parameters;
      for (const auto& [unused, parameter] : operation["parameters"]) {
        if (parameter["in"].string_or("") == "path")
          parameters.insert(parameter["name"].string_or(""));
      }
      for (const std::string_view part : split(path, '/')) {
        if (!part.empty() && part.front() == '{') {
          EXPECT_EQ(parameters.count(std::string(part.substr(1, part.size() - 2))), 1u) << name;
        }
      }
      for (const auto& [status, response] : operation["responses"]) {
        for (const auto& [type, content] : response["content"]) {
          EXPECT_TRUE(follow(content["schema"]).exists()) << name << " " << status;
        }
      }
    }
  }
}

TEST(OpenApi, CoreOperationsAreAllServed) {
  // The operations a provider, a consumer, the command line or a service manager cannot do without.
  int core = 0;
  for (const auto& [path, operations] : description().root()["paths"]) {
    for (const auto& [method, operation] : operations) {
      if (operation["x-class"].string_or("") == "CORE") ++core;
    }
  }
  EXPECT_EQ(core, 38);
}

TEST(OpenApi, AnswersFitTheirSchemas) {
  platform::Loop loop;
  test::FakeNode node;
  Authenticator account(loop, "/nonexistent/nodeui-pass", Bytes(256, 1));
  Api api(loop, node, account, {});
  auto proposal = std::make_shared<core::PricedProposal>(test::golden_proposal());
  node.market = {*proposal};
  node.connection_info = {ConnectionState::NotConnected, test::golden_consumer(),
                          test::golden_hermes(), proposal, "s"};
  ServiceInfo service;
  service.id = "abc";
  service.type = "wireguard";
  service.provider = test::golden_provider();
  service.options = ServiceOptions{};
  service.options->subnet = "10.182.0.0/16";
  service.proposal = proposal;
  node.running = {service};
  SessionRecord session;
  session.tokens = Wei(5);
  node.history = {session};
  node.identity_info.per_hermes = {{test::golden_hermes(), 1, 2}};
  node.snapshot = {
      node.running, {session}, node.connection_info, ConnectionStatistics{}, {node.identity_info}};

  const std::string id = test::golden_provider().to_string();
  const std::map<std::string, std::string> bodies = {
      {"/identities", R"({"passphrase":""})"},
      {"/identities/current", R"({"passphrase":""})"},
      {"/identities/export", R"({"newpassphrase":"x","identity":")" + id + "\"}"},
      {"/identities-import", R"({"data":"e30=","current_passphrase":"x"})"},
      {"/connection", R"({"consumer_id":")" + id + "\"}"},
      {"/services", R"({"type":"noop","provider_id":")" + id + "\"}"}};
  int checked = 0;
  for (const Route& route : routes()) {
    std::string path(route.path);
    if (const std::size_t at = path.find("{id}"); at != std::string::npos) {
      path.replace(at, 4, path.compare(0, 9, "/services") == 0 ? "abc" : id);
    }
    const auto body = bodies.find(std::string(route.path));
    Request request;
    request.method = std::string(route.method);
    request.target = path + (path == "/node/provider/sessions" ? "?range=7d" : "");
    request.body = body != bodies.end() ? body->second : R"({"passphrase":""})";
    request.peer = IpAddress::v4(127, 0, 0, 1);
    std::optional<Response> got;
    api.handle(request, std::make_unique<Collect>(got));
    ASSERT_TRUE(loop.run_until([&] { return got.has_value(); }, std::chrono::seconds{20})) << path;
    const std::string name = request.method + " " + std::string(route.path);
    const json::Value described = description().root()["paths"][route.path][to_lower(route.method)]
                                                      ["responses"][std::to_string(got->status)];
    EXPECT_TRUE(described.exists()) << name << " answers " << got->status << " " << got->body;
    const std::string type = got->content_type.substr(0, got->content_type.find(';'));
    if (type.empty()) {
      EXPECT_EQ(described["content"].size(), 0u) << name;
      continue;
    }
    const json::Value content = described["content"][type];
    EXPECT_TRUE(content.exists()) << name << " answers " << type;
    if (type.find("json") == std::string::npos) continue;
    const auto answer = json::Document::parse(got->body);
    ASSERT_TRUE(answer.ok()) << name << " " << got->body;
    EXPECT_EQ(misfit(answer->root(), content["schema"], name), "");
    ++checked;
  }
  EXPECT_GT(checked, 45);
}

}  // namespace
}  // namespace myst::rest
