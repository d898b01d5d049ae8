// Parameters and results of the methods that are used, as JSON texts. A read error is
// Malformed, or NotFound where a member is missing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/chain/events.hpp"
#include "core/chain/types.hpp"
#include "core/identity/address.hpp"

namespace myst::ethereum {

// As of which block something is asked.
struct BlockTag {
  static const BlockTag Latest, Pending;  // Pending: with transactions that wait
  bool operator==(const BlockTag& o) const { return kind == o.kind && number == o.number; }
  static BlockTag at(std::uint64_t number) { return {Kind::Number, number}; }

  enum class Kind : std::uint8_t { Latest, Pending, Number } kind;
  std::uint64_t number;
};
inline const BlockTag BlockTag::Latest{Kind::Latest, 0};
inline const BlockTag BlockTag::Pending{Kind::Pending, 0};
std::string to_string(const BlockTag& tag);

// [{from, to, input, data}, "latest"]: newer servers read `input`, older ones `data`.
std::string call_params(const Address& to, ByteSpan calldata, BlockTag at);
// [{from, to, value, input, data}]
std::string estimate_params(const Address& from, const Address& to, const Wei& value,
                            ByteSpan calldata);
std::string address_params(const Address& address, BlockTag at);  // [address, tag]
std::string hash_params(const Digest32& hash);                    // [hash]
std::string block_params(std::optional<std::uint64_t> number);    // [number or "latest", false]
std::string logs_params(const chain::LogFilter& filter, std::uint64_t from_block,
                        std::optional<std::uint64_t> to_block);  // without end: "latest"
std::string data_params(ByteSpan bytes);                         // [data]
std::string fee_history_params(unsigned blocks, unsigned percentile);

Result<U256> read_quantity(std::string_view json);
Result<std::uint64_t> read_u64(std::string_view json);
Result<Bytes> read_data(std::string_view json);
Result<Digest32> read_hash(std::string_view json);
Result<std::optional<chain::Block>> read_block(std::string_view json);  // null: not known
Result<std::optional<chain::Receipt>> read_receipt(std::string_view json);
// At most 10,000; of blocks that are not mined yet none.
Result<std::vector<chain::Log>> read_logs(std::string_view json);
Result<chain::FeeHistory> read_fee_history(std::string_view json);

}  // namespace myst::ethereum
