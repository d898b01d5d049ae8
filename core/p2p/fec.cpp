#include "core/p2p/fec.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <optional>
#include <utility>

#include "core/base/endian.hpp"

namespace myst::core {
namespace {

constexpr std::uint16_t kDataType = 0x00f1;
constexpr std::uint16_t kParityType = 0x00f2;

constexpr std::uint8_t multiply(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  unsigned x = a;
  for (unsigned y = b; y != 0; y >>= 1) {
    if ((y & 1u) != 0) product ^= x;
    x <<= 1;
    if ((x & 0x100u) != 0) x ^= 0x11du;
  }
  return static_cast<std::uint8_t>(product);
}

constexpr std::uint8_t invert(std::uint8_t a) {  // a^254; 0 gives 0
  std::uint8_t result = 1;
  for (int i = 0; i < 254; ++i) result = multiply(result, a);
  return result;
}

// Rows 10..12 of the 13x10 Vandermonde matrix times the inverse of its top 10x10 part.
constexpr std::uint8_t kMatrix[kFecParity][kFecData] = {
    {0x81, 0x96, 0xaf, 0xb8, 0xd2, 0xc4, 0xfe, 0xe8, 0x03, 0x02},
    {0x96, 0x81, 0xb8, 0xaf, 0xc4, 0xd2, 0xe8, 0xfe, 0x02, 0x03},
    {0xbf, 0xd6, 0x62, 0x0a, 0x06, 0x6f, 0xdf, 0xb7, 0x05, 0x04},
};

// A product with a fixed factor is the XOR of two look-ups, one for each half of the other byte.
struct Factor {
  std::array<std::uint8_t, 16> low, high;
};

constexpr Factor make_factor(std::uint8_t c) {
  Factor f{};
  for (unsigned i = 0; i < 16; ++i) {
    f.low[i] = multiply(c, static_cast<std::uint8_t>(i));
    f.high[i] = multiply(c, static_cast<std::uint8_t>(i << 4));
  }
  return f;
}

using FactorMatrix = std::array<std::array<Factor, kFecData>, kFecParity>;

constexpr FactorMatrix make_factors() {
  FactorMatrix m{};
  for (std::size_t k = 0; k < kFecParity; ++k) {
    for (std::size_t j = 0; j < kFecData; ++j) m[k][j] = make_factor(kMatrix[k][j]);
  }
  return m;
}

constexpr FactorMatrix kFactors = make_factors();

void add_product(MutableByteSpan to, const Factor& f, ByteSpan from) {
  assert(to.size() >= from.size());
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::uint8_t byte = from.data()[i];
    to.data()[i] = static_cast<std::uint8_t>(to.data()[i] ^ f.low[byte & 15u] ^ f.high[byte >> 4]);
  }
}

}  // namespace

void FecSender::seal(MutableByteSpan body) {
  assert(body.size() >= kFecHeader && parity_left_ == 0);
  put_u32le(body.data(), next_);
  put_u16le(body.data() + 4, kDataType);
  put_u16le(body.data() + 6, static_cast<std::uint16_t>(body.size() - 6));
  const ByteSpan content(body.data() + 6, body.size() - 6);
  for (std::size_t k = 0; k < kFecParity; ++k) {
    if (parity_[k].size() < content.size()) parity_[k].resize(content.size());
    add_product(parity_[k], kFactors[k][in_group_], content);
  }
  ++next_;
  if (++in_group_ == kFecData) parity_left_ = kFecParity;
}

std::size_t FecSender::poll_parity(MutableByteSpan out) {
  if (parity_left_ == 0) return 0;
  const std::size_t index = kFecParity - parity_left_;
  --parity_left_;
  const Bytes content = std::exchange(parity_[index], Bytes());
  const std::uint32_t seqid = next_;
  if (parity_left_ == 0) {
    in_group_ = 0;
    next_ = (next_ + 1) % kFecWrap;
  } else {
    ++next_;
  }
  if (out.size() < 6 + content.size()) return 0;
  put_u32le(out.data(), seqid);
  put_u16le(out.data() + 4, kParityType);
  if (!content.empty()) std::memcpy(out.data() + 6, content.data(), content.size());
  return 6 + content.size();
}

std::size_t FecSender::memory() const {
  std::size_t total = 0;
  for (const Bytes& p : parity_) total += p.capacity();
  return total;
}

std::vector<Bytes> FecReceiver::input(Instant now, std::uint32_t seqid, bool parity,
                                      ByteSpan content) {
  const auto expired = [&](const Shard& s) { return now - s.arrived > kKeep; };
  while (!kept_.empty() && expired(kept_.front())) {
    kept_bytes_ -= kept_.front().content.size();
    kept_.erase(kept_.begin());
  }
  const auto group = static_cast<std::uint32_t>(seqid / kFecGroup);
  // The shard's place in its group says what it must be; anything else is another rhythm than
  // 10/3, which there is nothing to rebuild from.
  if ((seqid % kFecGroup >= kFecData) != parity || content.size() > kMaxBytes) return {};
  const std::size_t remembered = std::min(done_count_, done_.size());
  for (std::size_t i = 0; i < remembered; ++i) {
    if (done_[i] == group) return {};
  }
  std::size_t data_shards = parity ? 0 : 1;
  std::size_t shards = 1;
  for (const Shard& s : kept_) {
    if (s.seqid == seqid) return {};
    if (s.seqid / kFecGroup != group) continue;
    ++shards;
    if (s.seqid % kFecGroup < kFecData) ++data_shards;
  }
  if (data_shards == kFecData) {
    forget_group(group);
    return {};
  }
  kept_.push_back({seqid, now, to_bytes(content)});
  kept_bytes_ += content.size();
  if (shards >= kFecData) {
    std::vector<Bytes> rebuilt = rebuild(group);
    forget_group(group);
    return rebuilt;
  }
  while (kept_.size() > kMaxPackets || kept_bytes_ > kMaxBytes) {
    kept_bytes_ -= kept_.front().content.size();
    kept_.erase(kept_.begin());
  }
  return {};
}

void FecReceiver::forget_group(std::uint32_t group) {
  kept_.erase(std::remove_if(kept_.begin(), kept_.end(),
                             [&](const Shard& s) {
                               if (s.seqid / kFecGroup != group) return false;
                               kept_bytes_ -= s.content.size();
                               return true;
                             }),
              kept_.end());
  if (kept_.empty()) std::vector<Shard>().swap(kept_);
  done_[done_count_ % done_.size()] = group;
  // Counts on only so far that the ring position stays right.
  done_count_ = done_count_ + 1 < 2 * done_.size() ? done_count_ + 1 : done_.size();
}

std::vector<Bytes> FecReceiver::rebuild(std::uint32_t group) const {
  std::array<const Bytes*, kFecGroup> shard{};
  std::size_t longest = 0;
  for (const Shard& s : kept_) {
    if (s.seqid / kFecGroup != group) continue;
    shard[s.seqid % kFecGroup] = &s.content;
    longest = std::max(longest, s.content.size());
  }
  std::array<std::size_t, kFecParity> missing{};
  std::size_t count = 0;
  for (std::size_t j = 0; j < kFecData; ++j) {
    if (shard[j] != nullptr) continue;
    if (count == kFecParity) return {};
    missing[count++] = j;
  }

  // As many parity equations as unknowns; what is known goes to the right-hand side, the rest is
  // solved by elimination. Every square part of the parity matrix is invertible.
  std::array<Bytes, kFecParity> right;
  std::uint8_t left[kFecParity][kFecParity] = {};
  std::size_t rows = 0;
  for (std::size_t k = 0; k < kFecParity && rows < count; ++k) {
    if (shard[kFecData + k] == nullptr) continue;
    right[rows] = *shard[kFecData + k];
    right[rows].resize(longest);
    for (std::size_t j = 0; j < kFecData; ++j) {
      if (shard[j] != nullptr) add_product(right[rows], kFactors[k][j], *shard[j]);
    }
    for (std::size_t c = 0; c < count; ++c) left[rows][c] = kMatrix[k][missing[c]];
    ++rows;
  }
  if (rows < count) return {};
  for (std::size_t c = 0; c < count; ++c) {
    std::size_t pivot = c;
    while (pivot < count && left[pivot][c] == 0) ++pivot;
    if (pivot == count) return {};
    std::swap(right[pivot], right[c]);
    std::swap(left[pivot], left[c]);
    const std::uint8_t scale = invert(left[c][c]);
    Bytes scaled(longest);
    add_product(scaled, make_factor(scale), right[c]);
    right[c] = std::move(scaled);
    for (std::size_t i = 0; i < count; ++i) left[c][i] = multiply(left[c][i], scale);
    for (std::size_t r = 0; r < count; ++r) {
      if (r == c || left[r][c] == 0) continue;
      const std::uint8_t factor = left[r][c];
      add_product(right[r], make_factor(factor), right[c]);
      for (std::size_t i = 0; i < count; ++i) {
        left[r][i] = static_cast<std::uint8_t>(left[r][i] ^ multiply(factor, left[c][i]));
      }
    }
  }

  std::vector<Bytes> out;
  for (std::size_t c = 0; c < count; ++c) {
    if (longest < 2) continue;
    const std::size_t size = get_u16le(right[c]);
    if (size < 2 || size > longest) continue;
    out.emplace_back(right[c].begin() + 2, right[c].begin() + static_cast<std::ptrdiff_t>(size));
  }
  return out;
}

std::size_t FecReceiver::memory() const {
  std::size_t total = kept_.capacity() * sizeof(Shard);
  for (const Shard& s : kept_) total += s.content.capacity();
  return total;
}

}  // namespace myst::core
