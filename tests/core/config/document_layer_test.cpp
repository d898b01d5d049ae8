#include "core/config/document_layer.hpp"

#include <gtest/gtest.h>

#include "core/config/node_config.hpp"

namespace myst::core {
namespace {

NetworkDocument family() {
  NetworkDocument document;
  document.brokers = {"nats://hub:4222", "nats://hub2:4222"};
  document.discovery = "http://hub/api/v4";
  document.location = "http://hub/location";
  document.stun_servers = {"hub:3478"};
  document.port_check_servers = {"hub:4589", "hub2:4589"};
  document.quality = "http://hub/quality";
  return document;
}

TEST(DocumentLayer, EveryValueIsTakenAndReadAsItsType) {
  NodeConfig config({"/", "/"});
  ASSERT_TRUE(config.set_command_line({{"network", "hub.example"}}).ok());
  const auto values = document_values(family());
  const auto taken = config.absorb_document(values);
  ASSERT_EQ(taken.size(), values.size());
  for (const auto& item : taken) EXPECT_EQ(item.used, NodeConfig::Layer::Document) << item.key;
  EXPECT_EQ(config.list("broker-address"),
            (std::vector<std::string>{"nats://hub:4222", "nats://hub2:4222"}));
  EXPECT_EQ(config.text("ip-detector"), "http://hub/location");
  EXPECT_EQ(config.list("port-check-servers"), (std::vector<std::string>{"hub:4589", "hub2:4589"}));
  EXPECT_EQ(config.text("quality.type"), "morqa");
  EXPECT_EQ(config.integer("chain-id"), 0);
}

TEST(DocumentLayer, WhatTheNetworkLacksStaysOff) {
  NetworkDocument document = family();
  document.stun_servers.clear();
  document.port_check_servers.clear();
  document.quality.clear();
  NodeConfig config({"/", "/"});
  ASSERT_TRUE(config.set_command_line({{"network", "hub.example"}}).ok());
  (void)config.absorb_document(document_values(document));
  EXPECT_EQ(config.text("quality.type"), "none");
  EXPECT_TRUE(config.list("stun-servers").empty());
  EXPECT_TRUE(config.list("port-check-servers").empty());
  EXPECT_EQ(config.text("access-policy.address"), "");
}

TEST(DocumentLayer, TheFirstChainIsTheActiveOne) {
  NetworkDocument document = family();
  document.transactor = "http://hub/transactor";
  for (const std::uint64_t id : {80002u, 1u}) {
    NetworkChain chain;
    chain.id = id;
    chain.rpc = {"http://hub/rpc", "https://rpc.example"};
    chain.registry = *Address::parse("0x427C2BAD22335710Aec5e477f3E3AdCd313A9bcb");
    chain.hermes = *Address::parse("0xd68dEfB97d0765741F8ECF179Df2f9564e1466A3");
    chain.known_hermeses = {chain.hermes};
    document.chains.push_back(chain);
  }
  NodeConfig config({"/", "/"});
  ASSERT_TRUE(config.set_command_line({{"network", "hub.example"}}).ok());
  const auto values = document_values(document);
  EXPECT_EQ(config.absorb_document(values).size(), values.size());
  EXPECT_EQ(config.integer("chain-id"), 80002);
  EXPECT_EQ(config.integer("chains.2.chainID"), 80002);
  EXPECT_EQ(config.integer("chains.1.chainID"), 1);
  EXPECT_EQ(config.list("ether.client.rpcl2"), document.chains[0].rpc);
  EXPECT_EQ(config.text("chains.2.registry"), "0x427C2BAD22335710Aec5e477f3E3AdCd313A9bcb");
  EXPECT_EQ(config.list("chains.2.knownHermeses"),
            std::vector<std::string>{"0xd68dEfB97d0765741F8ECF179Df2f9564e1466A3"});
  EXPECT_EQ(config.text("transactor.address"), "http://hub/transactor");
}

}  // namespace
}  // namespace myst::core
