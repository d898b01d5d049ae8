#include "core/p2p/framing.hpp"

#include <gtest/gtest.h>

#include "core/base/text.hpp"
#include "core/crypto/keccak.hpp"
#include "tests/support/vectors.hpp"

namespace myst::core {
namespace {

using test::bytes_of;

std::uint64_t number_in(json::Value v) {
  return v.is_string() ? *parse_decimal(v.string_or("0")) : *v.u64();
}

Frame frame_in(json::Value v) {
  Frame f;
  f.id = number_in(v["id"]);
  f.status_code = number_in(v["status"]);
  f.topic = v["topic"].string_or("");
  f.msg = v["msg"].string_or("");
  if (v["data"].exists()) f.data = bytes_of(v["data"]);
  return f;
}

// Everything the reader makes of `bytes`, fed in pieces of `step`.
struct Reads {
  std::vector<Frame> frames;
  bool failed = false;
};
Reads read_all(ByteSpan bytes, bool text, std::size_t step) {
  FrameReader reader(text);
  Reads out;
  while (!out.failed) {
    const auto frame = reader.next();
    if (!frame.ok()) {
      out.failed = true;
      EXPECT_FALSE(reader.next().ok());
      EXPECT_FALSE(reader.feed(as_bytes("x")).ok());
    } else if (*frame) {
      out.frames.push_back(**frame);
    } else if (bytes.empty()) {
      break;
    } else {
      const std::size_t size = std::min(step, bytes.size());
      EXPECT_TRUE(reader.feed(bytes.first(size)).ok());
      bytes = bytes.subspan(size);
    }
  }
  return out;
}

void expect_same(const Frame& a, const Frame& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.status_code, b.status_code);
  EXPECT_EQ(a.topic, b.topic);
  EXPECT_EQ(a.msg, b.msg);
  EXPECT_EQ(to_hex(a.data), to_hex(b.data));
}

TEST(Framing, ProtobufFramesOfBothSources) {
  const auto first = test::vectors("p2p.json");
  for (const auto item : first.root()["wire_protobuf"]) {
    SCOPED_TRACE(item.value["name"].string_or(""));
    const Frame frame = frame_in(item.value);
    const Bytes bytes = bytes_of(item.value["frame"]);
    EXPECT_EQ(to_hex(*encode_frame(frame)), to_hex(bytes));
    for (const std::size_t step : {1u, 7u, 5000u}) {
      const Reads reads = read_all(bytes, false, step);
      ASSERT_EQ(reads.frames.size(), 1u);
      expect_same(reads.frames[0], frame);
    }
  }
  const auto second = test::vectors("p2p_channel.json");
  for (const auto item : second.root()["frames"]["cases"]) {
    SCOPED_TRACE(item.value["name"].string_or(""));
    if (item.value["name"].string_or("").find("not UTF-8") != std::string::npos) {
      Frame frame;
      frame.topic = "\xff\xfe";
      EXPECT_FALSE(encode_frame(frame).ok());
      continue;
    }
    Frame frame;
    if (item.value["refused"].boolean_or(false)) {
      frame.id = 2;
      frame.topic = "t";
      frame.data.assign(static_cast<std::size_t>(*item.value["data_len"].i64()), 0x5a);
      EXPECT_FALSE(encode_frame(frame).ok());
      continue;
    }
    frame = frame_in(item.value);
    if (item.value["data_byte"].exists()) {
      frame.data.assign(static_cast<std::size_t>(*item.value["data_len"].i64()),
                        bytes_of(item.value["data_byte"])[0]);
    }
    const auto encoded = encode_frame(frame);
    ASSERT_TRUE(encoded.ok());
    if (item.value["frame"].exists()) {
      EXPECT_EQ(to_hex(*encoded), item.value["frame"].string_or(""));
    } else {
      EXPECT_EQ(static_cast<std::int64_t>(encoded->size()), *item.value["frame_len"].i64());
      EXPECT_EQ(to_hex(keccak256(*encoded)), item.value["frame_keccak256"].string_or(""));
    }
    const Reads reads = read_all(*encoded, false, 1228);
    ASSERT_EQ(reads.frames.size(), 1u);
    expect_same(reads.frames[0], frame);
  }
}

TEST(Framing, ReaderEndsWhereTheReferenceEnds) {
  const auto file = test::vectors("p2p_channel.json");
  int checked = 0;
  for (const auto item : file.root()["reads"]["cases"]) {
    SCOPED_TRACE(item.value["name"].string_or(""));
    // "truncated body" is an end of the stream in the reference's test; ours has no end and waits.
    const bool truncated = item.value["name"].string_or("") == "truncated body";
    std::vector<Frame> expected;
    bool fails = false;
    for (const auto read : item.value["reads"]) {
      if (read.value["ends_reader_for_good"].boolean_or(false)) {
        fails = true;
      } else if (!read.value["end_of_input"].exists()) {
        expected.push_back(frame_in(read.value));
      }
    }
    for (const std::size_t step : {1u, 100u}) {
      const Reads reads = read_all(bytes_of(item.value["bytes"]), false, step);
      EXPECT_EQ(reads.failed, fails && !truncated);
      ASSERT_EQ(reads.frames.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) expect_same(reads.frames[i], expected[i]);
    }
    ++checked;
  }
  EXPECT_EQ(checked, 10);
}

TEST(Framing, TextFramesOfBothSources) {
  const auto first = test::vectors("p2p.json");
  const auto second = test::vectors("p2p_channel.json");
  for (const json::Value list :
       {first.root()["wire_text"], second.root()["text_frames"]["cases"]}) {
    EXPECT_GT(list.size(), 3u);
    for (const auto item : list) {
      SCOPED_TRACE(item.value["frame"].string_or(""));
      Frame frame = frame_in(item.value);
      const Bytes bytes = bytes_of(item.value["frame"]);
      EXPECT_EQ(to_hex(*encode_text_frame(frame)), to_hex(bytes));
      frame.data = bytes_of(item.value["data_as_read"]);
      Bytes twice = bytes;
      twice.insert(twice.end(), bytes.begin(), bytes.end());
      for (const std::size_t step : {1u, 5u, 5000u}) {
        const Reads reads = read_all(twice, true, step);
        ASSERT_EQ(reads.frames.size(), 2u);
        expect_same(reads.frames[0], frame);
        expect_same(reads.frames[1], frame);
      }
    }
  }
}

TEST(Framing, TextReaderRefusesBadHeaders) {
  for (const char* text :
       {"no colon\r\n\r\n.\r\n", "Request-ID:x\r\nStatus-Code:0\r\n\r\n.\r\n",
        "Request-ID:1\r\n\r\n.\r\n", "Request-ID:-1\r\nStatus-Code:0\r\n\r\n.\r\n",
        "Request-ID:1\r\nStatus-Code:0\r\nTopic:\xff\r\n\r\n.\r\n"}) {
    EXPECT_TRUE(read_all(as_bytes(text), true, 1000).failed) << text;
  }
  const Reads lenient = read_all(
      as_bytes("status-code: 1 \nREQUEST-ID:\t7\nOther: x\nTopic: a b \n\nabc\n.\n"), true, 1000);
  ASSERT_EQ(lenient.frames.size(), 1u);
  EXPECT_EQ(lenient.frames[0].id, 7u);
  EXPECT_EQ(lenient.frames[0].topic, "a b");
  EXPECT_EQ(as_text(lenient.frames[0].data), "abc");
}

TEST(Framing, TextWriterRefusesHeadersThatBreakTheFrame) {
  Frame frame;
  frame.topic = "a\nb";
  EXPECT_FALSE(encode_text_frame(frame).ok());
}

TEST(Framing, EndlessTextIsCutOff) {
  FrameReader reader(true);
  const Bytes piece(1228, 'a');
  bool failed = false;
  for (int i = 0; i < 1000 && !failed; ++i) {
    failed = !reader.feed(piece).ok() || !reader.next().ok();
  }
  EXPECT_TRUE(failed);
}

}  // namespace
}  // namespace myst::core
