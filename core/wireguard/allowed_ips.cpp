#include "core/wireguard/allowed_ips.hpp"

#include <algorithm>

namespace myst::core::wireguard {
namespace {

std::uint64_t load_be(const std::uint8_t* p, unsigned bytes) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value = value << 8 | p[i];
  return value;
}

unsigned bit_at(const AddressBits& bits, unsigned index) {
  return static_cast<unsigned>(
      (index < 64 ? bits.high >> (63 - index) : bits.low >> (127 - index)) & 1);
}

// How many leading bits are the same.
unsigned common(const AddressBits& a, const AddressBits& b) {
  if (const std::uint64_t x = a.high ^ b.high; x != 0) {
    return static_cast<unsigned>(__builtin_clzll(x));
  }
  if (const std::uint64_t x = a.low ^ b.low; x != 0) {
    return 64 + static_cast<unsigned>(__builtin_clzll(x));
  }
  return 128;
}

AddressBits masked(const AddressBits& bits, unsigned length) {
  AddressBits out = bits;
  if (length < 64) {
    out.high = length == 0 ? 0 : out.high & (~std::uint64_t{0} << (64 - length));
    out.low = 0;
  } else if (length < 128) {
    out.low = length == 64 ? 0 : out.low & (~std::uint64_t{0} << (128 - length));
  }
  return out;
}

}  // namespace

AddressBits AddressBits::v4(const std::uint8_t* p) { return {load_be(p, 4) << 32, 0}; }
AddressBits AddressBits::v6(const std::uint8_t* p) { return {load_be(p, 8), load_be(p + 8, 8)}; }
AddressBits AddressBits::of(const IpAddress& ip) {
  return ip.is_v6() ? v6(ip.bytes().data()) : v4(ip.bytes().data());
}

std::uint32_t PrefixTrie::add_node(const AddressBits& bits, std::uint8_t length,
                                   std::uint32_t value) {
  Node node;
  node.bits = bits;
  node.length = length;
  node.value = value;
  nodes_.push_back(node);
  return static_cast<std::uint32_t>(nodes_.size() - 1);
}

void PrefixTrie::insert(const IpPrefix& prefix, std::uint32_t value) {
  const AddressBits bits = masked(AddressBits::of(prefix.ip), prefix.length);
  const std::size_t family = prefix.ip.is_v6() ? 1 : 0;
  // Where the link to the current node is kept: a root, or a child of `parent`.
  std::uint32_t parent = kNone;
  unsigned side = 0;
  const auto link = [&]() -> std::uint32_t& {
    return parent == kNone ? roots_[family] : nodes_[parent].children[side];
  };
  for (;;) {
    const std::uint32_t at = link();
    if (at == kNone) {
      const std::uint32_t leaf = add_node(bits, prefix.length, value);
      link() = leaf;
      return;
    }
    const unsigned shared = std::min<unsigned>(
        {common(bits, nodes_[at].bits), unsigned{prefix.length}, unsigned{nodes_[at].length}});
    if (shared == nodes_[at].length) {
      if (shared == prefix.length) {
        nodes_[at].value = value;
        return;
      }
      parent = at;
      side = bit_at(bits, shared);
      continue;
    }
    // The node's prefix goes on where ours ends or turns away: a node above it is needed.
    const std::uint32_t above = add_node(masked(bits, shared), static_cast<std::uint8_t>(shared),
                                         shared == prefix.length ? value : kNone);
    nodes_[above].children[bit_at(nodes_[at].bits, shared)] = at;
    link() = above;
    if (shared == prefix.length) return;
    const std::uint32_t leaf = add_node(bits, prefix.length, value);
    nodes_[above].children[bit_at(bits, shared)] = leaf;
    return;
  }
}

std::uint32_t PrefixTrie::find(std::uint32_t node, const AddressBits& bits, unsigned width) const {
  std::uint32_t best = kNone;
  while (node != kNone) {
    const Node& at = nodes_[node];
    if (common(bits, at.bits) < at.length) break;
    if (at.value != kNone) best = at.value;
    if (at.length == width) break;
    node = at.children[bit_at(bits, at.length)];
  }
  return best;
}

}  // namespace myst::core::wireguard
