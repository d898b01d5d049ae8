#include "core/p2p/framing.hpp"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/text.hpp"
#include "core/wire/protobuf.hpp"

namespace myst::core {
namespace {

// A longest envelope and its length; text may double by stuffing and has four header lines.
constexpr std::size_t kMaxBuffered = 2 * kMaxEnvelope + 4096;

Error malformed(const char* what) { return {Errc::Malformed, 0, what}; }

// Where the dot block beginning at `from` ends: index just behind its final line, or nothing yet. A
// line ends with LF, with or without CR before; the block ends with a line that is a lone dot.
std::optional<std::size_t> find_text_end(std::string_view text, std::size_t from) {
  for (std::size_t line = from; line < text.size();) {
    const std::size_t end = text.find('\n', line);
    if (end == std::string_view::npos) return std::nullopt;
    std::string_view content = text.substr(line, end - line);
    if (!content.empty() && content.back() == '\r') content.remove_suffix(1);
    if (content == ".") return end + 1;
    line = end + 1;
  }
  return std::nullopt;
}

// Undoes the stuffing: CR LF becomes LF, a leading dot goes; then the last byte goes.
Bytes unstuff(std::string_view block) {
  Bytes out;
  out.reserve(block.size());
  for (std::size_t line = 0; line < block.size();) {
    const std::size_t end = block.find('\n', line);
    std::string_view content = block.substr(line, end - line);
    if (!content.empty() && content.back() == '\r') content.remove_suffix(1);
    if (content == ".") break;
    if (!content.empty() && content.front() == '.') content.remove_prefix(1);
    out.insert(out.end(), content.begin(), content.end());
    out.push_back('\n');
    line = end + 1;
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string_view trim_blanks(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Status parse_header_line(std::string_view line, Frame& frame, unsigned& seen) {
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return malformed("text frame: header line");
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = trim_blanks(line.substr(colon + 1));
  if (!is_utf8(value)) return malformed("text frame: header is not UTF-8");
  // Of a repeated header the first counts.
  const auto first_time = [&seen](unsigned bit) { return std::exchange(seen, seen | bit) != seen; };
  if (equal_ignoring_case(name, "Request-ID") || equal_ignoring_case(name, "Status-Code")) {
    const bool is_id = equal_ignoring_case(name, "Request-ID");
    const auto number = parse_decimal(value);
    if (!number) return malformed("text frame: number");
    if (first_time(is_id ? 1 : 2)) (is_id ? frame.id : frame.status_code) = *number;
  } else if (equal_ignoring_case(name, "Topic")) {
    if (first_time(4)) frame.topic.assign(value);
  } else if (equal_ignoring_case(name, "Message")) {
    if (first_time(8)) frame.msg.assign(value);
  }
  return {};
}

bool fits_header(std::string_view text) {
  return is_utf8(text) && text.find_first_of("\r\n") == std::string_view::npos;
}

}  // namespace

Result<Bytes> encode_frame(const Frame& frame) {
  if (!is_utf8(frame.topic) || !is_utf8(frame.msg)) return malformed("frame: text is not UTF-8");
  // Before anything is copied: the fields alone are longer than allowed.
  if (frame.data.size() > kMaxEnvelope || frame.topic.size() > kMaxEnvelope ||
      frame.msg.size() > kMaxEnvelope) {
    return malformed("frame: too long");
  }
  const Bytes envelope = frame.encode();
  if (envelope.size() > kMaxEnvelope) return malformed("frame: too long");
  Bytes out;
  out.reserve(envelope.size() + 3);
  append_varint(out, envelope.size());
  out.insert(out.end(), envelope.begin(), envelope.end());
  return out;
}

Result<Bytes> encode_text_frame(const Frame& frame) {
  if (!fits_header(frame.topic) || !fits_header(frame.msg)) return malformed("text frame: header");
  if (frame.data.size() + frame.topic.size() + frame.msg.size() > kMaxEnvelope) {
    return malformed("frame: too long");
  }
  std::string text = "Request-ID:" + std::to_string(frame.id) + "\nTopic:" + frame.topic +
                     "\nStatus-Code:" + std::to_string(frame.status_code) +
                     "\nMessage:" + frame.msg + "\n\n";
  text.append(as_text(frame.data));
  Bytes out;
  out.reserve(text.size() + 64);
  bool line_start = true;
  char last = 0;
  for (const char c : text) {
    if (line_start && c == '.') out.push_back('.');
    if (c == '\n' && last != '\r') out.push_back('\r');
    out.push_back(static_cast<std::uint8_t>(c));
    line_start = c == '\n';
    last = c;
  }
  if (!line_start) {
    if (last != '\r') out.push_back('\r');
    out.push_back('\n');
  }
  for (const char c : std::string_view(".\r\n")) out.push_back(static_cast<std::uint8_t>(c));
  return out;
}

Status FrameReader::feed(ByteSpan piece) {
  if (failed_) return Error{Errc::InvalidState, 0, "frame reader has failed"};
  if (buffer_.size() - start_ + piece.size() > kMaxBuffered) {
    return Error{Errc::Full, 0, "frame reader"};
  }
  if (start_ > 0) {
    buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
    start_ = 0;
  }
  buffer_.insert(buffer_.end(), piece.begin(), piece.end());
  return {};
}

Result<std::optional<Frame>> FrameReader::next() {
  if (failed_) return Error{Errc::InvalidState, 0, "frame reader has failed"};
  auto result = text_ ? next_text() : next_envelope();
  failed_ = !result.ok();
  return result;
}

void FrameReader::consume(std::size_t count) {
  start_ += count;
  scanned_ = 0;
  if (start_ < buffer_.size()) return;
  start_ = 0;
  // A small buffer is kept for the next frame, a large one given back.
  if (buffer_.capacity() > 2048) {
    Bytes().swap(buffer_);
  } else {
    buffer_.clear();
  }
}

Result<std::optional<Frame>> FrameReader::next_envelope() {
  ByteSpan rest = ByteSpan(buffer_).subspan(start_);
  const std::size_t available = rest.size();
  const auto length = read_varint(rest);
  if (!length) {
    if (length.error().code == Errc::Unavailable) return std::optional<Frame>();
    return length.error();
  }
  if (*length > kMaxEnvelope) return malformed("frame: too long");
  const auto size = static_cast<std::size_t>(*length);
  if (rest.size() < size) return std::optional<Frame>();
  MYST_TRY_ASSIGN(Frame frame, Frame::decode(rest.first(size)));
  consume(available - rest.size() + size);
  return std::optional<Frame>(std::move(frame));
}

Result<std::optional<Frame>> FrameReader::next_text() {
  const std::string_view text = as_text(ByteSpan(buffer_).subspan(start_));
  // Nothing can have ended before a new line end came.
  if (text.find('\n', scanned_) == std::string_view::npos) {
    scanned_ = text.size();
    if (text.size() > kMaxEnvelope * 2) return malformed("text frame: too long");
    return std::optional<Frame>();
  }
  Frame frame;
  unsigned seen = 0;
  std::size_t at = 0;
  for (;;) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) break;
    std::string_view line = text.substr(at, end - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    at = end + 1;
    if (line.empty()) {
      if ((seen & 3u) != 3u) return malformed("text frame: id or status missing");
      const auto block_end = find_text_end(text, at);
      if (!block_end) break;
      frame.data = unstuff(text.substr(at, *block_end - at));
      consume(*block_end);
      return std::optional<Frame>(std::move(frame));
    }
    MYST_TRY(parse_header_line(line, frame, seen));
  }
  scanned_ = text.size();
  if (text.size() > kMaxEnvelope * 2) return malformed("text frame: too long");
  return std::optional<Frame>();
}

}  // namespace myst::core
