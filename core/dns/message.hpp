// DNS messages (RFC 1035), as far as a forwarder looks into them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/result.hpp"
#include "core/base/span.hpp"

namespace myst::core::dns {

enum class Rcode : std::uint8_t { NoError = 0, ServerFailure = 2, NoSuchName = 3, Refused = 5 };

inline constexpr std::size_t kMaxMessage = 65535;
inline constexpr std::size_t kHeaderSize = 12;

struct Question {
  std::string name;  // lower case, without the dot at the end; "" is the root
  std::uint16_t type = 0, klass = 0;
  bool operator==(const Question& o) const {
    return name == o.name && type == o.type && klass == o.klass;
  }
};

struct Header {
  std::uint16_t id = 0;
  bool response = false, truncated = false;
  std::uint8_t opcode = 0;
  Rcode rcode = Rcode::NoError;
  std::uint16_t questions = 0, answers = 0;
};

struct AddressRecord {
  std::string name;  // as in Question
  IpAddress address;
  std::uint32_t ttl_seconds = 0;
};

Result<Header> parse_header(ByteSpan message);
// Header and the one question every query of today has. Malformed: anything else.
Result<Question> parse_question(ByteSpan message);
// The A and AAAA records of the answer section; at most kMaxRecords are read. Malformed: an answer
// that cannot be followed to its end.
inline constexpr std::size_t kMaxRecords = 128;
Result<std::vector<AddressRecord>> parse_addresses(ByteSpan message);

// The id of a message of kHeaderSize bytes or more, in place.
void set_id(MutableByteSpan message, std::uint16_t id);
// An answer without records to a query whose question parses: its id and question, our rcode.
Result<Bytes> make_error_answer(ByteSpan query, Rcode rcode);

}  // namespace myst::core::dns
