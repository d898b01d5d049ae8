// The contract ABI as this network needs it: 32-byte words, a selector in front of arguments, and
// `bytes` whose head word is the offset of their tail. Reading is strict and bounded: what a chain
// answers is input from outside.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/base/span.hpp"
#include "core/base/u256.hpp"
#include "core/crypto/digest.hpp"
#include "core/identity/address.hpp"

namespace myst::chain {

using Word = ByteArray<32>;

// Calldata: selector, head, tails. Arguments are added in the order of the function.
class CallWriter {
 public:
  // The head's size has to be known when the first tail offset is written: `arguments` words.
  CallWriter(std::uint32_t selector, std::size_t arguments);
  CallWriter& number(const U256& value);
  CallWriter& address(const Address& value);
  CallWriter& word(const Word& value);
  CallWriter& bytes(ByteSpan value);
  Bytes finish();  // the writer is used up

 private:
  void put(const Word& word);
  Bytes head_;
  Bytes tail_;
  std::size_t head_bytes_;  // without the selector
};

// Returned or logged words. Every error is Malformed: too short, or a value its type cannot have.
// More bytes than needed are allowed, as newer contracts may return more.
class WordReader {
 public:
  explicit WordReader(ByteSpan data) : data_(data) {}
  std::size_t words() const { return data_.size() / 32; }
  Result<Word> word(std::size_t index) const;
  Result<U256> number(std::size_t index) const;
  Result<std::uint64_t> u64(std::size_t index) const;
  Result<bool> boolean(std::size_t index) const;     // exactly 0 or 1
  Result<Address> address(std::size_t index) const;  // upper 12 bytes zero
  // The tail that head word `index` points to; offsets count from the start of `data`.
  Result<ByteSpan> bytes(std::size_t index, std::size_t max_size) const;
  // The words a head word points to: a dynamic tuple.
  Result<WordReader> tuple(std::size_t index) const;

 private:
  ByteSpan data_;
};

// What a reverted call returned, as a sentence: the text of Error(string), the meaning of
// Panic(uint256), or the first bytes of a custom error. Printable ASCII of at most 200 bytes.
std::string revert_reason(ByteSpan data);

// A text from outside, cut and cleaned for logs and messages.
std::string printable(std::string_view text, std::size_t max_size = 200);

// "0x" and minimal hex digits, as JSON-RPC writes numbers.
std::string to_quantity(const U256& value);
// Takes leading zeros too, as some servers write them. Malformed: no 0x, no digits, above 256 bits.
Result<U256> parse_quantity(std::string_view text);
// "0x" and an even number of hex digits.
std::string to_data(ByteSpan bytes);
Result<Bytes> parse_data(std::string_view text);
Status parse_data(std::string_view text, MutableByteSpan out);  // exactly out.size() bytes

}  // namespace myst::chain
