#include "core/wireguard/super_packet.hpp"

#include <gtest/gtest.h>

#include <cstring>

#include "core/wireguard/checksum.hpp"
#include "tests/support/support.hpp"

namespace myst::core::wireguard {
namespace {

// The checksum as RFC 1071 describes it, byte by byte.
std::uint16_t slow_sum(ByteSpan data, std::uint32_t start = 0) {
  std::uint32_t sum = start;
  for (std::size_t i = 0; i < data.size(); i += 2) {
    sum += static_cast<std::uint32_t>(data[i] << 8 | (i + 1 < data.size() ? data[i + 1] : 0));
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

TEST(Checksum, AgreesWithTheSimpleOneForEverySize) {
  test::SeededRng rng(3);
  Bytes data(3000);
  rng.fill(data);
  Bytes copy(data.size());
  for (std::size_t size = 0; size < 300; ++size) {
    const std::uint16_t expected = slow_sum(ByteSpan(data).first(size));
    std::uint8_t out[2];
    store_u16(out, checksum_fold(checksum_add(0, data.data(), size)));
    EXPECT_EQ(load_be16(out), expected) << size;
    std::fill(copy.begin(), copy.end(), std::uint8_t{0xee});
    store_u16(out, checksum_fold(checksum_copy(0, data.data(), copy.data(), size)));
    EXPECT_EQ(load_be16(out), expected) << size;
    EXPECT_EQ(std::memcmp(data.data(), copy.data(), size), 0);
    EXPECT_EQ(copy[size], 0xee);
  }
  Bytes ones(65535, 0xff);
  std::uint8_t out[2];
  store_u16(out, checksum_fold(checksum_add(0, ones.data(), ones.size())));
  EXPECT_EQ(load_be16(out), slow_sum(ones));
}

struct Packet {
  Bytes bytes;
  OffloadHeader header;
};

// A TCP or UDP super-packet as the kernel gives it: checksum fields hold the pseudo header's sum.
Packet super_packet(bool v6, bool tcp, std::size_t payload, std::uint16_t segment,
                    std::uint8_t tcp_flags = 0x18) {
  const std::size_t ip = v6 ? 40 : 20, transport = tcp ? 32 : 8;
  Packet out;
  out.bytes.resize(ip + transport + payload);
  std::uint8_t* const p = out.bytes.data();
  p[0] = v6 ? 0x60 : 0x45;
  if (v6) {
    store_be16(p + 4, out.bytes.size() - 40);
    p[6] = tcp ? 6 : 17;
    p[7] = 64;
    for (std::size_t i = 8; i < 40; ++i) p[i] = static_cast<std::uint8_t>(i);
  } else {
    store_be16(p + 2, out.bytes.size());
    store_be16(p + 4, 0xfffe);
    p[6] = 0x40;
    p[8] = 64;
    p[9] = tcp ? 6 : 17;
    for (std::size_t i = 12; i < 20; ++i) p[i] = static_cast<std::uint8_t>(i);
  }
  std::uint8_t* const t = p + ip;
  store_be16(t, 1234);
  store_be16(t + 2, 80);
  if (tcp) {
    store_be32(t + 4, 0xfffff000);
    store_be32(t + 8, 77);
    t[12] = 0x80;
    t[13] = tcp_flags;
    store_be16(t + 14, 500);
    for (std::size_t i = 20; i < 32; ++i) t[i] = 1;
  } else {
    store_be16(t + 4, 8 + payload);
  }
  for (std::size_t i = 0; i < payload; ++i) t[transport + i] = static_cast<std::uint8_t>(i * 7);
  store_u16(t + (tcp ? 16 : 6),
            checksum_fold(pseudo_header_sum(p, tcp ? 6 : 17, transport + payload)));
  out.header.flags = OffloadHeader::kNeedsChecksum;
  out.header.type = tcp ? (v6 ? OffloadHeader::kTcp6 : OffloadHeader::kTcp4) : OffloadHeader::kUdp;
  out.header.header_size = static_cast<std::uint16_t>(ip + transport);
  out.header.segment_size = segment;
  out.header.checksum_start = static_cast<std::uint16_t>(ip);
  out.header.checksum_offset = tcp ? 16 : 6;
  return out;
}

// Lengths and checksums of one packet, as a receiver would verify them.
void expect_sound(ByteSpan packet) {
  const bool v6 = packet[0] >> 4 == 6;
  const std::size_t ip = v6 ? 40 : 20;
  if (v6) {
    EXPECT_EQ(load_be16(packet.data() + 4) + 40u, packet.size());
  } else {
    EXPECT_EQ(load_be16(packet.data() + 2), packet.size());
    EXPECT_EQ(slow_sum(packet.first(20)), 0xffff);
  }
  const std::uint8_t protocol = v6 ? packet[6] : packet[9];
  const ByteSpan addresses = v6 ? packet.subspan(8, 32) : packet.subspan(12, 8);
  const std::size_t size = packet.size() - ip;
  const std::uint32_t pseudo =
      slow_sum(addresses) + std::uint32_t{protocol} + static_cast<std::uint32_t>(size);
  EXPECT_EQ(slow_sum(packet.subspan(ip), pseudo), 0xffff);
  if (protocol == 17) {
    EXPECT_EQ(load_be16(packet.data() + ip + 4), size);
  }
}

class Kinds : public testing::TestWithParam<std::pair<bool, bool>> {};

TEST_P(Kinds, SplittingGivesSoundPacketsAndMergingGivesThemBack) {
  const auto [v6, tcp] = GetParam();
  for (const std::size_t payload : {1u, 999u, 1000u, 1001u, 4000u, 12345u, 63000u}) {
    const Packet whole = super_packet(v6, tcp, payload, 1000);
    const auto split = Splitter::parse(whole.header, whole.bytes);
    ASSERT_TRUE(split.ok());
    ASSERT_EQ(split->count(), (payload + 999) / 1000);
    std::vector<Bytes> packets;
    for (std::size_t i = 0; i < split->count(); ++i) {
      Bytes one(split->size(i));
      split->write(i, one.data());
      expect_sound(one);
      if (tcp) {
        const std::uint8_t flags = one[(v6 ? 40u : 20u) + 13];
        EXPECT_EQ(flags, i + 1 == split->count() ? 0x18 : 0x10);
      }
      packets.push_back(std::move(one));
    }
    const std::vector<Bytes> originals = packets;
    std::vector<PlainPacket> plain;
    for (Bytes& one : packets) plain.push_back({one.data(), one.size()});
    const auto run = merge(plain, 0, {true, true});
    ASSERT_EQ(run.count, packets.size());
    if (run.count == 1) continue;
    Bytes merged = packets[0];
    for (std::size_t i = 1; i < run.count; ++i) {
      merged.insert(merged.end(), packets[i].begin() + static_cast<std::ptrdiff_t>(run.header_size),
                    packets[i].end());
    }
    Bytes expected = whole.bytes;
    // The IPv4 header's own checksum was not set in what the test made up.
    if (!v6) std::copy(merged.begin() + 10, merged.begin() + 12, expected.begin() + 10);
    EXPECT_EQ(merged, expected);
    EXPECT_EQ(std::memcmp(&run.offload, &whole.header, sizeof run.offload), 0);
    restore(plain[0], run);
    EXPECT_EQ(packets, originals);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Kinds,
                         testing::Values(std::pair(false, true), std::pair(true, true),
                                         std::pair(false, false), std::pair(true, false)));

TEST(Splitter, AChecksumLeftToUsIsComputed) {
  Packet packet = super_packet(false, true, 100, 0);
  packet.header.type = OffloadHeader::kNone;
  store_u16(packet.bytes.data() + 10, 0);
  store_u16(packet.bytes.data() + 10,
            static_cast<std::uint16_t>(~checksum_fold(checksum_add(0, packet.bytes.data(), 20))));
  const auto split = Splitter::parse(packet.header, packet.bytes);
  ASSERT_TRUE(split.ok());
  ASSERT_EQ(split->count(), 1u);
  Bytes out(split->size(0));
  split->write(0, out.data());
  expect_sound(out);
}

TEST(Splitter, HeadersThatDoNotFitAreRefused) {
  const Packet good = super_packet(false, true, 5000, 1000);
  ASSERT_TRUE(Splitter::parse(good.header, good.bytes).ok());
  const auto refused = [&](auto change) {
    Packet bad = good;
    change(bad);
    return !Splitter::parse(bad.header, bad.bytes).ok();
  };
  EXPECT_TRUE(refused([](Packet& p) { p.header.segment_size = 0; }));
  EXPECT_TRUE(refused([](Packet& p) { p.header.type = 3; }));
  EXPECT_TRUE(refused([](Packet& p) { p.header.type = OffloadHeader::kTcp6; }));
  EXPECT_TRUE(refused([](Packet& p) { p.header.checksum_start = 8; }));
  EXPECT_TRUE(refused([](Packet& p) { p.header.checksum_start = 60000; }));
  EXPECT_TRUE(refused([](Packet& p) { p.bytes.resize(30); }));
  EXPECT_TRUE(refused([](Packet& p) { p.bytes[0] = 0x55; }));
  EXPECT_TRUE(refused([](Packet& p) { p.bytes[32] = 0x10; }));  // TCP header of 4 bytes
  EXPECT_TRUE(refused([](Packet& p) {
    p.header.type = OffloadHeader::kNone;
    p.header.checksum_offset = 60000;
  }));
}

std::vector<Bytes> segments(bool tcp, std::size_t payload, std::uint8_t flags = 0x10) {
  const Packet whole = super_packet(false, tcp, payload, 1000, flags);
  const auto split = Splitter::parse(whole.header, whole.bytes);
  std::vector<Bytes> out;
  for (std::size_t i = 0; i < split->count(); ++i) {
    out.emplace_back(split->size(i));
    split->write(i, out.back().data());
  }
  return out;
}

std::size_t merged_count(std::vector<Bytes> packets, MergeKinds kinds = {true, true}) {
  std::vector<PlainPacket> plain;
  for (Bytes& one : packets) plain.push_back({one.data(), one.size()});
  return merge(plain, 0, kinds).count;
}

TEST(Merge, OnlyWhatAReceiverCannotTellApart) {
  const std::vector<Bytes> good = segments(true, 5000);
  EXPECT_EQ(merged_count(good), 5u);
  EXPECT_EQ(merged_count(good, {false, true}), 1u);
  const auto with = [&](std::size_t offset, std::uint8_t value) {
    std::vector<Bytes> changed = good;
    changed[2][offset] = value;
    return merged_count(changed);
  };
  EXPECT_EQ(with(1, 4), 2u);      // type of service
  EXPECT_EQ(with(5, 9), 2u);      // identification
  EXPECT_EQ(with(6, 0), 2u);      // may be fragmented
  EXPECT_EQ(with(8, 63), 2u);     // hops
  EXPECT_EQ(with(15, 1), 2u);     // source
  EXPECT_EQ(with(21, 1), 2u);     // port
  EXPECT_EQ(with(27, 1), 2u);     // sequence
  EXPECT_EQ(with(31, 1), 2u);     // acknowledged
  EXPECT_EQ(with(33, 0x11), 2u);  // FIN
  EXPECT_EQ(with(33, 0x18), 3u);  // PSH ends the run and is kept
  EXPECT_EQ(with(35, 1), 2u);     // window
  EXPECT_EQ(with(45, 9), 2u);     // options
  std::vector<Bytes> reordered = good;
  std::swap(reordered[1], reordered[2]);
  EXPECT_EQ(merged_count(reordered), 1u);
  std::vector<Bytes> tail = segments(true, 2500);
  tail.push_back(segments(true, 4000)[3]);
  EXPECT_EQ(merged_count(tail), 3u);                        // nothing follows a shorter one
  EXPECT_EQ(merged_count(segments(true, 5000, 0x12)), 1u);  // SYN
}

TEST(Merge, UdpOnlyWithChecksumAndEqualSize) {
  std::vector<Bytes> good = segments(false, 5000);
  EXPECT_EQ(merged_count(good), 5u);
  EXPECT_EQ(merged_count(good, {true, false}), 1u);
  good[2][26] = good[2][27] = 0;
  EXPECT_EQ(merged_count(good), 2u);
}

TEST(Merge, StopsAtTheLargestIpPacket) {
  std::vector<Bytes> packets = segments(true, 60000);
  // The same flow goes on for another 60,000 bytes.
  const Packet more = super_packet(false, true, 60000, 1000, 0x10);
  const auto split = Splitter::parse(more.header, more.bytes);
  for (std::size_t i = 0; i < split->count(); ++i) {
    Bytes one(split->size(i));
    split->write(i, one.data());
    store_be32(one.data() + 24, load_be32(one.data() + 24) + 60000);
    store_be16(one.data() + 4, load_be16(one.data() + 4) + 60u);
    packets.push_back(std::move(one));
  }
  EXPECT_EQ(merged_count(packets), kMaxMerged);
}

}  // namespace
}  // namespace myst::core::wireguard
