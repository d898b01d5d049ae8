// Forward error correction around KCP packets: Reed-Solomon, ten data and three parity shards a
// group (reference: kcp-go fec.go over klauspost/reedsolomon). A body is
//
//   seqid u32le | 0x00f1 u16le | SIZE u16le | segments      data; SIZE counts itself
//   seqid u32le | 0x00f2 u16le | parity bytes               parity over SIZE and segments
//
// or, with anything else at offset 4, plain segments. Code: GF(2^8) mod 0x11d, generator 2.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/base/span.hpp"
#include "core/base/time.hpp"

namespace myst::core {

inline constexpr std::size_t kFecData = 10;
inline constexpr std::size_t kFecParity = 3;
inline constexpr std::size_t kFecGroup = kFecData + kFecParity;
inline constexpr std::size_t kFecHeader = 8;  // of a data shard; a parity shard has 6
// Where the shard counter starts again after a parity shard: the largest multiple of 13 in 32 bits.
inline constexpr std::uint32_t kFecWrap = 4294967287u;

class FecSender {
 public:
  // Turns `size` bytes of segments at body[kFecHeader...] into a data shard by writing its header.
  // Precondition: the parity of the group before has been polled.
  void seal(MutableByteSpan body);
  bool parity_due() const { return parity_left_ > 0; }
  // Writes the next parity body; 0: none due, or `out` too small for it (then it is lost).
  std::size_t poll_parity(MutableByteSpan out);
  std::size_t memory() const;

 private:
  std::uint32_t next_ = 0;
  std::size_t in_group_ = 0;
  std::size_t parity_left_ = 0;
  // Parity so far of the group; grows to the group's longest shard.
  std::array<Bytes, kFecParity> parity_;
};

class FecReceiver {
 public:
  static constexpr std::size_t kMaxPackets = 39;  // as many as the reference keeps
  // Ten full shards, what the largest group needs. Full in either way: the oldest goes.
  static constexpr std::size_t kMaxBytes = 13 * 1024;
  static constexpr Duration kKeep = std::chrono::seconds{60};

  // One arrived shard; `content` starts at body offset 6. Returns what could be rebuilt: the
  // segments of lost data shards, to be fed to KCP as not regular.
  std::vector<Bytes> input(Instant now, std::uint32_t seqid, bool parity, ByteSpan content);
  std::size_t memory() const;
  std::size_t packets() const { return kept_.size(); }

 private:
  struct Shard {
    std::uint32_t seqid;
    Instant arrived;
    Bytes content;
  };
  void forget_group(std::uint32_t group);
  std::vector<Bytes> rebuild(std::uint32_t group) const;

  std::vector<Shard> kept_;  // in order of arrival
  std::size_t kept_bytes_ = 0;
  std::array<std::uint32_t, 4> done_{};  // groups that need nothing more, a ring
  std::size_t done_count_ = 0;
};

}  // namespace myst::core
