#include "drivers/ethereum/codec.hpp"

#include <gtest/gtest.h>

#include "core/chain/abi.hpp"
#include "core/chain/contracts.hpp"
#include "drivers/ethereum/json_rpc.hpp"
#include "platform/json/json.hpp"
#include "tests/support/vectors.hpp"

namespace myst::ethereum {
namespace {

using chain::RpcPool;

const std::string kHash = "0x" + std::string(63, '0') + "7";

RpcPool::Exchange exchange_of(std::vector<RpcPool::Exchange::Item> items) {
  RpcPool::Exchange out;
  out.items = std::move(items);
  return out;
}

TEST(JsonRpc, OneCallIsAnObjectMoreAreAnArray) {
  EXPECT_EQ(write_request(exchange_of({{7, "eth_chainId", "[]"}})),
            R"({"jsonrpc":"2.0","id":7,"method":"eth_chainId","params":[]})");
  EXPECT_EQ(write_request(exchange_of({{0, "a", "[]"}, {1, "b", "[1]"}})),
            R"([{"jsonrpc":"2.0","id":0,"method":"a","params":[]},)"
            R"({"jsonrpc":"2.0","id":1,"method":"b","params":[1]}])");
}

TEST(JsonRpc, AnswersInAnyOrder) {
  const auto text = read_response(
      R"([{"jsonrpc":"2.0","id":2,"result":{"a":[1]}},{"jsonrpc":"2.0","id":1,"result":null},)"
      R"({"id":9}, 5, {"id":"1","result":1}])",
      exchange_of(
          {{1, "a", "[]"}, {2, "b", "[]"}, {3, "c", "[]"}, {4, "d", "[]"}, {5, "e", "[]"}}));
  ASSERT_TRUE(text.ok());
  ASSERT_EQ(text->answers.size(), 2u);
  EXPECT_EQ(text->answers[0].id, 2u);
  EXPECT_EQ(text->answers[0].result, R"({"a":[1]})");
  EXPECT_EQ(text->answers[1].result, "null");
}

TEST(JsonRpc, ErrorsWithTheirData) {
  const auto exchange = exchange_of({{1, "eth_call", "[]"}});
  const auto geth = read_response(
      R"({"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted: x",)"
      R"("data":"0x08c379a0"}})",
      exchange);
  ASSERT_TRUE(geth.ok());
  ASSERT_TRUE(geth->answers.at(0).error);
  EXPECT_EQ(geth->answers[0].error->code, 3);
  EXPECT_EQ(geth->answers[0].error->data.size(), 4u);
  const auto nested = read_response(
      R"({"id":1,"error":{"code":-32015,"message":"VM execution error.","data":{"data":"0x01"}}})",
      exchange);
  EXPECT_EQ(nested->answers.at(0).error->data.size(), 1u);
  const auto no_id =
      read_response(R"({"id":null,"error":{"code":-32700,"message":"parse\nerror"}})", exchange);
  EXPECT_EQ(no_id->answers.at(0).id, 1u);
  EXPECT_EQ(no_id->answers[0].error->message, "parse?error");
  const auto text = read_response(R"({"id":1,"error":"rate limit"})", exchange);
  EXPECT_EQ(text->answers.at(0).error->message, "rate limit");
}

TEST(JsonRpc, WhatIsNoAnswer) {
  const auto one = exchange_of({{1, "a", "[]"}});
  for (const char* bad :
       {"", "null", "{}", "5", "\"x\"", "{\"id\":1}", "<html>", "{\"result\":1"}) {
    EXPECT_FALSE(read_response(bad, one).ok()) << bad;
  }
  EXPECT_TRUE(read_response("[]", one)->answers.empty());
  const auto two = exchange_of({{1, "a", "[]"}, {2, "b", "[]"}});
  EXPECT_TRUE(read_response(R"({"id":null,"error":{"code":-32600,"message":"no batches"}})", two)
                  ->instead_of_batch);
}

TEST(EthereumCodec, CallsNameBothFields) {
  const Address to = *Address::parse("0xd68defb97d0765741f8ecf179df2f9564e1466a3");
  EXPECT_EQ(call_params(to, chain::hermes::last_fee(), BlockTag::Pending),
            R"([{"from":"0x0000000000000000000000000000000000000000",)"
            R"("to":"0xd68dEfB97d0765741F8ECF179Df2f9564e1466A3",)"
            R"("input":"0x9801134e","data":"0x9801134e"},"pending"])");
}

TEST(EthereumCodec, LogFilterOfTheVectors) {
  const auto document = test::vectors("payments.json");
  const json::Value wanted = document.root()["eth_get_logs"]["filter"];
  chain::LogFilter filter;
  filter.addresses = {*Address::parse(wanted["address"].string_or(""))};
  for (const auto& [name, topic] : wanted["topics"]) {
    (void)name;
    if (topic.is_null()) {
      filter.topics.emplace_back();
    } else {
      filter.topics.emplace_back(test::array_of<32>(topic));
    }
  }
  const auto params = json::Document::parse(logs_params(filter, 0, std::nullopt));
  ASSERT_TRUE(params.ok());
  const json::Value object = (*params->root().begin()).value;
  EXPECT_EQ(object["topics"].to_text(), wanted["topics"].to_text());
  EXPECT_EQ(object["fromBlock"].string_or(""), "0x0");
  EXPECT_EQ(object["toBlock"].string_or(""), "latest");
  EXPECT_EQ(logs_params(filter, 255, 256).find(R"("fromBlock":"0xff","toBlock":"0x100")"), 2u);
}

TEST(EthereumCodec, Scalars) {
  EXPECT_EQ(read_quantity("\"0x89\"")->to_string(), "137");
  EXPECT_EQ(*read_u64("\"0xffffffffffffffff\""), UINT64_MAX);
  EXPECT_FALSE(read_u64("\"0x10000000000000000\"").ok());
  EXPECT_FALSE(read_quantity("137").ok());
  EXPECT_FALSE(read_quantity("null").ok());
  EXPECT_TRUE(read_data("\"0x\"")->empty());
  EXPECT_FALSE(read_data("\"0x0\"").ok());
  EXPECT_TRUE(read_hash("\"" + kHash + "\"").ok());
  EXPECT_FALSE(read_hash("\"0x07\"").ok());
}

TEST(EthereumCodec, Blocks) {
  const std::string text = R"({"number":"0x10","hash":")" + kHash + R"(","parentHash":")" + kHash +
                           R"(","timestamp":"0x5","baseFeePerGas":"0x3b9aca00","extra":[1]})";
  const auto block = read_block(text);
  ASSERT_TRUE(block.ok() && block->has_value());
  EXPECT_EQ((*block)->number, 16u);
  EXPECT_EQ((*block)->base_fee->to_string(), "1000000000");
  EXPECT_FALSE(read_block("null")->has_value());
  EXPECT_FALSE(read_block("{}").ok());
}

TEST(EthereumCodec, Receipts) {
  const std::string start = R"({"transactionHash":")" + kHash + R"(","blockNumber":"0x2",)" +
                            R"("blockHash":")" + kHash + R"(","gasUsed":"0x5208",)";
  const auto good = read_receipt(start + R"("status":"0x1","effectiveGasPrice":"0x7","logs":[]})");
  ASSERT_TRUE(good.ok() && good->has_value());
  EXPECT_TRUE((*good)->succeeded);
  EXPECT_EQ((*good)->gas_used, 21000u);
  EXPECT_EQ((*good)->gas_price, Wei(7));
  const auto bad = read_receipt(start + R"("status":"0x0","logs":[]})");
  EXPECT_FALSE((*bad)->succeeded);
  EXPECT_FALSE(read_receipt("null")->has_value());
  EXPECT_FALSE(read_receipt(start + R"("logs":[]})").ok());  // no status: not assumed
}

TEST(EthereumCodec, Logs) {
  const std::string tail = R"("blockNumber":"0x1","blockHash":")" + kHash +
                           R"(","transactionHash":")" + kHash + R"(","logIndex":"0x0"})";
  const std::string log = R"({"address":"0xd68defb97d0765741f8ecf179df2f9564e1466a3","topics":[")" +
                          kHash + R"("],"data":"0x01",)" + tail;
  const auto logs = read_logs("[" + log + "]");
  ASSERT_TRUE(logs.ok());
  ASSERT_EQ(logs->size(), 1u);
  EXPECT_EQ(logs->front().topics.size(), 1u);
  EXPECT_EQ(logs->front().data, Bytes{1});
  EXPECT_FALSE(logs->front().removed);
  EXPECT_TRUE(read_logs("null")->empty());
  EXPECT_FALSE(read_logs("{}").ok());
  EXPECT_FALSE(read_logs("[{}]").ok());
  const std::string hashes = "\"" + kHash + "\"";
  EXPECT_FALSE(read_logs(R"([{"address":"0xd68defb97d0765741f8ecf179df2f9564e1466a3","topics":[)" +
                         hashes + "," + hashes + "," + hashes + "," + hashes + "," + hashes +
                         R"(],"data":"0x",)" + tail + "]")
                   .ok());
}

TEST(EthereumCodec, FeeHistory) {
  const auto fees = read_fee_history(
      R"({"oldestBlock":"0x1","baseFeePerGas":["0x1","0x2","0x3"],"gasUsedRatio":[0.5,1],)"
      R"("reward":[["0xa"],["0xb","0xff"]]})");
  ASSERT_TRUE(fees.ok());
  EXPECT_EQ(fees->base_fees.size(), 3u);
  EXPECT_EQ(fees->tips, (std::vector<Wei>{Wei(10), Wei(11)}));
  EXPECT_TRUE(read_fee_history(R"({"baseFeePerGas":[]})").ok());
  EXPECT_FALSE(read_fee_history("{}").ok());
}

}  // namespace
}  // namespace myst::ethereum
