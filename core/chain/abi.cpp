#include "core/chain/abi.hpp"

#include <algorithm>

#include "core/base/endian.hpp"
#include "core/base/text.hpp"
#include "core/payment/channel.hpp"

namespace myst::chain {
namespace {

constexpr std::size_t kWord = 32;
constexpr std::uint32_t kErrorString = 0x08c379a0;  // Error(string)
constexpr std::uint32_t kPanicNumber = 0x4e487b71;  // Panic(uint256)
constexpr std::size_t kMaxReason = 200;

void append(Bytes& to, ByteSpan bytes) { to.insert(to.end(), bytes.begin(), bytes.end()); }

// Solidity documentation, "Panic via assert and Error via require".
const char* panic_text(std::uint64_t code) {
  switch (code) {
    case 0x01:
      return "assertion failed";
    case 0x11:
      return "arithmetic overflow or underflow";
    case 0x12:
      return "division by zero";
    case 0x21:
      return "bad enumeration value";
    case 0x22:
      return "bad storage encoding";
    case 0x31:
      return "pop of an empty array";
    case 0x32:
      return "index out of bounds";
    case 0x41:
      return "too much memory";
    case 0x51:
      return "call of an empty function";
    default:
      return nullptr;
  }
}

}  // namespace

CallWriter::CallWriter(std::uint32_t selector, std::size_t arguments)
    : head_bytes_(arguments * kWord) {
  head_.resize(4);
  put_u32be(head_.data(), selector);
}

void CallWriter::put(const Word& word) { append(head_, word); }

CallWriter& CallWriter::number(const U256& value) {
  put(value.to_word());
  return *this;
}

CallWriter& CallWriter::address(const Address& value) {
  put(payment::to_word(value));
  return *this;
}

CallWriter& CallWriter::word(const Word& value) {
  put(value);
  return *this;
}

CallWriter& CallWriter::bytes(ByteSpan value) {
  put(U256(head_bytes_ + tail_.size()).to_word());
  append(tail_, U256(value.size()).to_word());
  append(tail_, value);
  tail_.resize((tail_.size() + kWord - 1) / kWord * kWord);
  return *this;
}

Bytes CallWriter::finish() {
  assert(head_.size() == 4 + head_bytes_);
  append(head_, tail_);
  return std::move(head_);
}

Result<Word> WordReader::word(std::size_t index) const {
  if (index >= words()) return Error{Errc::Malformed, static_cast<int>(index), "too few words"};
  Word out;
  const ByteSpan at = data_.subspan(index * kWord, kWord);
  std::copy(at.begin(), at.end(), out.begin());
  return out;
}

Result<U256> WordReader::number(std::size_t index) const {
  MYST_TRY_ASSIGN(const Word value, word(index));
  return U256::from_word(value);
}

Result<std::uint64_t> WordReader::u64(std::size_t index) const {
  MYST_TRY_ASSIGN(const U256 value, number(index));
  const auto small = value.to_u64();
  if (!small) return Error{Errc::Malformed, static_cast<int>(index), "number above 64 bits"};
  return *small;
}

Result<bool> WordReader::boolean(std::size_t index) const {
  MYST_TRY_ASSIGN(const std::uint64_t value, u64(index));
  if (value > 1) return Error{Errc::Malformed, static_cast<int>(index), "boolean word"};
  return value == 1;
}

Result<Address> WordReader::address(std::size_t index) const {
  MYST_TRY_ASSIGN(const Word value, word(index));
  if (std::any_of(value.begin(), value.begin() + 12, [](std::uint8_t b) { return b != 0; })) {
    return Error{Errc::Malformed, static_cast<int>(index), "address word"};
  }
  return Address::from_bytes(ByteSpan(value).subspan(12));
}

Result<WordReader> WordReader::tuple(std::size_t index) const {
  MYST_TRY_ASSIGN(const std::uint64_t offset, u64(index));
  if (offset % kWord != 0 || offset > data_.size()) {
    return Error{Errc::Malformed, static_cast<int>(index), "offset of a tail"};
  }
  return WordReader(data_.subspan(static_cast<std::size_t>(offset)));
}

Result<ByteSpan> WordReader::bytes(std::size_t index, std::size_t max_size) const {
  MYST_TRY_ASSIGN(const WordReader tail, tuple(index));
  MYST_TRY_ASSIGN(const std::uint64_t size, tail.u64(0));
  const ByteSpan rest = tail.data_.subspan(kWord);
  if (size > rest.size() || size > max_size) {
    return Error{Errc::Malformed, static_cast<int>(index), "length of bytes"};
  }
  return rest.first(static_cast<std::size_t>(size));
}

std::string printable(std::string_view text, std::size_t max_size) {
  std::string out;
  for (const char c : text.substr(0, max_size)) out += c >= ' ' && c <= '~' ? c : '?';
  return out;
}

std::string revert_reason(ByteSpan data) {
  if (data.empty()) return "reverted without a reason";
  if (data.size() < 4) return "reverted with 0x" + to_hex(data);
  const std::uint32_t selector = get_u32be(data);
  const WordReader arguments(data.subspan(4));
  if (selector == kErrorString) {
    const auto text = arguments.bytes(0, data.size());
    if (text.ok()) return printable(as_text(*text), kMaxReason);
  }
  if (selector == kPanicNumber) {
    const auto code = arguments.u64(0);
    const char* known = code.ok() ? panic_text(*code) : nullptr;
    if (known != nullptr) return known;
    if (code.ok()) return "panic " + to_quantity(*code);
  }
  return "reverted with 0x" + to_hex(data.first(std::min<std::size_t>(data.size(), 36)));
}

std::string to_quantity(const U256& value) {
  const std::string digits = to_hex(value.to_word());
  const std::size_t first = digits.find_first_not_of('0');
  return "0x" + (first == std::string::npos ? "0" : digits.substr(first));
}

Result<U256> parse_quantity(std::string_view text) {
  if (text.size() < 3 || text.substr(0, 2) != "0x") {
    return Error{Errc::Malformed, 0, "quantity without 0x"};
  }
  text.remove_prefix(2);
  const std::size_t first = std::min(text.find_first_not_of('0'), text.size() - 1);
  text.remove_prefix(first);
  if (text.size() > 64) return Error{Errc::Malformed, 0, "quantity above 256 bits"};
  std::string padded(64 - text.size(), '0');
  padded.append(text);
  Word word;
  MYST_TRY(from_hex(padded, word));
  return U256::from_word(word);
}

std::string to_data(ByteSpan bytes) { return "0x" + to_hex(bytes); }

Result<Bytes> parse_data(std::string_view text) {
  if (text.substr(0, 2) != "0x") return Error{Errc::Malformed, 0, "data without 0x"};
  return from_hex(text.substr(2));
}

Status parse_data(std::string_view text, MutableByteSpan out) {
  if (text.substr(0, 2) != "0x") return Error{Errc::Malformed, 0, "data without 0x"};
  return from_hex(text.substr(2), out);
}

}  // namespace myst::chain
