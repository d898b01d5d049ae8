#include "core/dns/message.hpp"

#include <algorithm>

namespace myst::core::dns {
namespace {

constexpr std::size_t kMaxName = 255;  // RFC 1035 2.3.4
constexpr int kMaxJumps = 64;          // compression pointers in one name
constexpr std::uint16_t kTypeA = 1, kTypeAaaa = 28, kClassInternet = 1;

Error malformed(const char* what) { return {Errc::Malformed, 0, what}; }

class Reader {
 public:
  explicit Reader(ByteSpan message, std::size_t at = 0) : message_(message), at_(at) {}

  Result<std::uint16_t> u16() {
    if (left() < 2) return malformed("DNS message is cut short");
    const auto value = static_cast<std::uint16_t>((message_[at_] << 8) | message_[at_ + 1]);
    at_ += 2;
    return value;
  }
  Result<std::uint32_t> u32() {
    MYST_TRY_ASSIGN(const std::uint16_t high, u16());
    MYST_TRY_ASSIGN(const std::uint16_t low, u16());
    return (static_cast<std::uint32_t>(high) << 16) | low;
  }
  Result<ByteSpan> bytes(std::size_t count) {
    if (left() < count) return malformed("DNS message is cut short");
    const ByteSpan out = message_.subspan(at_, count);
    at_ += count;
    return out;
  }
  // RFC 1035 4.1.4: labels, or labels and a pointer to an earlier place. The first name of a
  // message, the question's, has nothing before it to point to.
  Result<std::string> name(bool may_point = true) {
    std::string out;
    std::size_t at = at_;
    bool jumped = false;
    for (int jumps = 0; jumps <= kMaxJumps;) {
      if (at >= message_.size()) return malformed("DNS name is cut short");
      const std::uint8_t length = message_[at];
      if ((length & 0xc0) == 0xc0) {
        if (!may_point) return malformed("DNS question with a pointer");
        if (at + 1 >= message_.size()) return malformed("DNS name is cut short");
        const std::size_t target =
            static_cast<std::size_t>(((length & 0x3f) << 8) | message_[at + 1]);
        if (!jumped) at_ = at + 2;
        if (target >= at) return malformed("DNS name points forward");
        // What is said there changes on the way: the id, the flags.
        if (target < kHeaderSize) return malformed("DNS name points into the header");
        jumped = true;
        at = target;
        ++jumps;
        continue;
      }
      if ((length & 0xc0) != 0) return malformed("DNS label type");
      if (length == 0) {
        if (!jumped) at_ = at + 1;
        return out;
      }
      if (at + 1 + length > message_.size()) return malformed("DNS name is cut short");
      if (!out.empty()) out += '.';
      for (std::size_t i = 0; i < length; ++i) {
        const auto c = static_cast<char>(message_[at + 1 + i]);
        out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
      if (out.size() > kMaxName) return malformed("DNS name is too long");
      at += 1u + length;
    }
    return malformed("DNS name has too many pointers");
  }
  std::size_t at() const { return at_; }

 private:
  std::size_t left() const { return message_.size() - at_; }
  ByteSpan message_;
  std::size_t at_;
};

Result<Question> read_question(Reader& in) {
  Question question;
  MYST_TRY_ASSIGN(question.name, in.name(false));
  MYST_TRY_ASSIGN(question.type, in.u16());
  MYST_TRY_ASSIGN(question.klass, in.u16());
  return question;
}

}  // namespace

Result<Header> parse_header(ByteSpan message) {
  if (message.size() < kHeaderSize) return malformed("DNS message is cut short");
  const auto u16 = [&message](std::size_t at) {
    return static_cast<std::uint16_t>((message[at] << 8) | message[at + 1]);
  };
  Header header;
  header.id = u16(0);
  header.response = (message[2] & 0x80) != 0;
  header.opcode = static_cast<std::uint8_t>((message[2] >> 3) & 15);
  header.truncated = (message[2] & 0x02) != 0;
  header.rcode = static_cast<Rcode>(message[3] & 15);
  header.questions = u16(4);
  header.answers = u16(6);
  return header;
}

Result<Question> parse_question(ByteSpan message) {
  MYST_TRY_ASSIGN(const Header header, parse_header(message));
  if (header.questions != 1) return malformed("DNS message has not one question");
  Reader in(message, kHeaderSize);
  return read_question(in);
}

Result<std::vector<AddressRecord>> parse_addresses(ByteSpan message) {
  MYST_TRY_ASSIGN(const Header header, parse_header(message));
  if (header.questions != 1) return malformed("DNS message has not one question");
  Reader in(message, kHeaderSize);
  MYST_TRY_ASSIGN([[maybe_unused]] const Question question, read_question(in));
  std::vector<AddressRecord> out;
  const std::size_t count = std::min<std::size_t>(header.answers, kMaxRecords);
  for (std::size_t i = 0; i < count; ++i) {
    AddressRecord record;
    MYST_TRY_ASSIGN(record.name, in.name());
    MYST_TRY_ASSIGN(const std::uint16_t type, in.u16());
    MYST_TRY_ASSIGN(const std::uint16_t klass, in.u16());
    MYST_TRY_ASSIGN(record.ttl_seconds, in.u32());
    MYST_TRY_ASSIGN(const std::uint16_t size, in.u16());
    MYST_TRY_ASSIGN(const ByteSpan data, in.bytes(size));
    if (klass != kClassInternet) continue;
    if (type == kTypeA && size == 4) {
      record.address = IpAddress::v4(data[0], data[1], data[2], data[3]);
    } else if (type == kTypeAaaa && size == 16) {
      ByteArray<16> bytes{};
      std::copy(data.begin(), data.end(), bytes.begin());
      record.address = IpAddress::v6(bytes);
    } else {
      continue;
    }
    out.push_back(std::move(record));
  }
  return out;
}

void set_id(MutableByteSpan message, std::uint16_t id) {
  message[0] = static_cast<std::uint8_t>(id >> 8);
  message[1] = static_cast<std::uint8_t>(id);
}

Result<Bytes> make_error_answer(ByteSpan query, Rcode rcode) {
  MYST_TRY_ASSIGN(const Header header, parse_header(query));
  if (header.questions != 1) return malformed("DNS message has not one question");
  Reader in(query, kHeaderSize);
  MYST_TRY_ASSIGN([[maybe_unused]] const Question question, read_question(in));
  Bytes out = to_bytes(query.first(in.at()));
  out[2] = static_cast<std::uint8_t>(0x80 | (query[2] & 0x79));  // QR; opcode and RD as asked
  out[3] = static_cast<std::uint8_t>(0x80 | static_cast<std::uint8_t>(rcode));  // RA
  for (std::size_t i = 6; i < kHeaderSize; ++i) out[i] = 0;  // no records, EDNS neither
  return out;
}

}  // namespace myst::core::dns
