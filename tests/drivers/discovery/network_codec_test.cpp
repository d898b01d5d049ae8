#include "drivers/discovery/network_codec.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace myst::discovery {
namespace {

core::NetworkDocument sample() {
  core::NetworkDocument document;
  document.name = "family";
  document.brokers = {"nats://hub.example:4222"};
  document.discovery = "http://hub.example:8080/api/v4";
  document.location = "http://hub.example:8080/location";
  document.ip_detector = "http://hub.example:8080/location";
  document.stun_servers = {"hub.example:3478"};
  document.port_check_servers = {"[2001:db8::1]:4589"};
  document.access_policies = "http://hub.example:8080/access-policies/";
  document.quality = "https://hub.example/quality/api/v3";
  return document;
}

TEST(NetworkCodec, SurvivesTheWire) {
  core::NetworkDocument document = sample();
  const std::string text = write_network_document(document);
  EXPECT_NE(text.find("\"contracts\":null"), std::string::npos);
  const auto again = read_network_document(text);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(write_network_document(*again), text);
  EXPECT_FALSE(again->contracts);
}

const char kContracts[] =
    R"({"transactor":"http://hub.example/t","chains":[{"chain_id":137,"rpc":["https://rpc.example"],)"
    R"("registry":"0x427C2BAD22335710Aec5e477f3E3AdCd313A9bcb",)"
    R"("token":"0xAA9C4E723609Cb913430143fbc86D3CBe7ADCa21",)"
    R"("channel_implementation":"0x599d43715DF3070f83355D9D90AE62c159E62A75",)"
    R"("hermes":"0xd68dEfB97d0765741F8ECF179Df2f9564e1466A3"}]})";

TEST(NetworkCodec, ReadsContracts) {
  core::NetworkDocument document = sample();
  document.contracts = kContracts;
  const auto read = read_network_document(write_network_document(document));
  ASSERT_TRUE(read.ok()) << read.error().what;
  EXPECT_EQ(read->contracts, kContracts);
  EXPECT_EQ(read->transactor, "http://hub.example/t");
  ASSERT_EQ(read->chains.size(), 1u);
  EXPECT_EQ(read->chains[0].id, 137u);
  EXPECT_EQ(read->chains[0].hermes.to_checksum(), "0xd68dEfB97d0765741F8ECF179Df2f9564e1466A3");
  EXPECT_EQ(read->chains[0].known_hermeses, std::vector<Address>{read->chains[0].hermes});
  const std::string text = kContracts;
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string bad = text;
    bad.replace(bad.find(from), from.size(), to);
    document.contracts = bad;
    return !read_network_document(write_network_document(document)).ok();
  };
  EXPECT_FALSE(refused("\"chain_id\":137", "\"chain_id\":138"));
  EXPECT_TRUE(refused("\"chain_id\":137", "\"chain_id\":0"));
  EXPECT_TRUE(refused("\"chain_id\":137", "\"chain_id\":\"137\""));
  EXPECT_TRUE(refused("https://rpc.example", "ftp://rpc.example"));
  EXPECT_TRUE(refused("[\"https://rpc.example\"]", "[]"));
  EXPECT_TRUE(refused("0x427C2B", "0x427C2"));
  EXPECT_TRUE(refused("0x427C2BAD22335710Aec5e477f3E3AdCd313A9bcb", "0x" + std::string(40, '0')));
  EXPECT_TRUE(refused("\"token\"", "\"tokens\""));
  EXPECT_TRUE(refused("\"transactor\"", "\"transistor\""));
  const std::size_t open = text.find("[{"), close = text.rfind("}]");
  const std::string chain = text.substr(open + 1, close - open);
  EXPECT_TRUE(refused(chain, ""));
  EXPECT_TRUE(refused(chain, chain + "," + chain));
}

TEST(NetworkCodec, ReadsTheDocumentedExample) {
  std::ifstream file(std::string(MYST_VECTORS) + "/../../docs/network-document.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string text = page.str();
  const std::size_t from = text.find("```json\n") + 8;
  const auto document = read_network_document(text.substr(from, text.find("```", from) - from));
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(document->name, "family");
  EXPECT_EQ(document->port_check_servers, std::vector<std::string>{"hub.example:4589"});
}

TEST(NetworkCodec, RefusesWhatANodeCouldNotUse) {
  const std::string good = write_network_document(sample());
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  EXPECT_TRUE(read_network_document(with("family", "")).ok());
  for (const std::string& bad :
       {with("network/v1", "network/v2"), with("[\"nats://hub.example:4222\"]", "[]"),
        with("nats://hub.example:4222", "nats://hub example"),
        with("\"nats://hub.example:4222\"", "7"), with("http://hub.example:8080/api/v4", "ftp://x"),
        with("http://hub.example:8080/api/v4", ""), with("\"discovery\"", "\"d\""),
        with("\"location\":", "\"l\":"), with("hub.example:3478", "hub.example"),
        with("hub.example:3478", "hub.example:x"),
        with("[\"hub.example:3478\"]", "\"hub.example:3478\""),
        with("\"contracts\":null", "\"contracts\":1"), std::string("[]"), std::string("")}) {
    EXPECT_FALSE(read_network_document(bad).ok()) << bad;
  }
  auto many = sample();
  many.stun_servers.assign(17, "h:1");
  EXPECT_EQ(read_network_document(write_network_document(many)).error().code, Errc::Full);
}

TEST(NetworkCodec, HubUrlLeadsToTheDocument) {
  EXPECT_EQ(*network_document_url("hub.example"), "http://hub.example/network");
  EXPECT_EQ(*network_document_url("192.0.2.1:8080"), "http://192.0.2.1:8080/network");
  EXPECT_EQ(*network_document_url("https://hub.example/"), "https://hub.example/network");
  EXPECT_EQ(*network_document_url("https://hub.example/my/network.json"),
            "https://hub.example/my/network.json");
  for (const char* bad : {"", "ftp://x", "http://", "http:// x", "a b"}) {
    EXPECT_FALSE(network_document_url(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace myst::discovery
