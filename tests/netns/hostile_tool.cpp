// Bad input for a WireGuard engine at several hundred thousand datagrams a second.
//
//   netns_hostile_tool handshakes <public key> <address> <port> <seconds> [a second]
//   netns_hostile_tool transport <link> <address> <port> <seconds> [a second]
//
// handshakes: initiations with a right mac1 and nothing behind it, noise of their size, noise of
// the size of a cookie. transport: messages to the port that pass <link> are caught, and then sent
// again as they are, in another order, with a bit changed, cut, made longer, with any counter, for
// nobody's index, as large as UDP can be; and noise. Same sizes go by UDP_SEGMENT, 64 a call,
// others by sendmmsg. Without a rate: as fast as it can. Prints "sent N in S ms" and one line a
// kind.
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/base/net.hpp"
#include "core/base/text.hpp"
#include "core/crypto/blake2s.hpp"
#include "core/wireguard/cookie.hpp"
#include "platform/net/sockaddr.hpp"
#include "platform/system/unique_fd.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

using namespace myst;

namespace {

constexpr std::size_t kBatch = 64;  // datagrams a call
constexpr std::size_t kMostBytes = 65507;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::int64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

std::mt19937_64 dice(12345);
std::size_t below(std::size_t limit) { return limit == 0 ? 0 : dice() % limit; }
void noise(std::uint8_t* at, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) at[i] = static_cast<std::uint8_t>(dice());
}
Bytes noise(std::size_t size) {
  Bytes out(size);
  noise(out.data(), size);
  return out;
}

// What one system call sends, made before the clock runs.
struct Volley {
  const char* kind;
  std::vector<Bytes> datagrams;
  Bytes joined;             // when all are of one size
  std::size_t segment = 0;  // that size
};

Volley volley(const char* kind, std::vector<Bytes> datagrams) {
  Volley out{kind, std::move(datagrams), {}, 0};
  const std::size_t size = out.datagrams[0].size();
  const bool same = size != 0 && std::all_of(out.datagrams.begin(), out.datagrams.end(),
                                             [&](const Bytes& one) { return one.size() == size; });
  if (!same) return out;
  out.segment = size;
  for (const Bytes& one : out.datagrams) {
    if (out.joined.size() + size > kMostBytes) break;
    out.joined.insert(out.joined.end(), one.begin(), one.end());
  }
  return out;
}

class Gun {
 public:
  Gun(const char* address, const char* port)
      : fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    const auto to = Endpoint::parse(std::string(address) + ":" + port);
    if (!to.ok()) give_up("address");
    const auto name = platform::to_sockaddr(*to);
    if (::connect(fd_.get(), name.get(), name.size) != 0) give_up("connect");
    const int bytes = 4 << 20;
    (void)::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
  }

  // Datagrams that left.
  std::size_t fire(const Volley& volley) {
    return volley.segment != 0 && segment_works_ ? fire_joined(volley) : fire_singly(volley);
  }

 private:
  std::size_t fire_joined(const Volley& volley) {
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
    iovec part{const_cast<std::uint8_t*>(volley.joined.data()), volley.joined.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto segment = static_cast<std::uint16_t>(volley.segment);
    std::memcpy(CMSG_DATA(header), &segment, sizeof segment);
    if (::sendmsg(fd_.get(), &message, 0) >= 0) return volley.joined.size() / volley.segment;
    if (errno == EINVAL || errno == EIO) segment_works_ = false;
    return 0;  // the queue is full, or the port was closed for a moment
  }

  std::size_t fire_singly(const Volley& volley) {
    mmsghdr messages[kBatch] = {};
    iovec parts[kBatch];
    const std::size_t count = std::min(volley.datagrams.size(), kBatch);
    for (std::size_t i = 0; i < count; ++i) {
      parts[i] = {const_cast<std::uint8_t*>(volley.datagrams[i].data()),
                  volley.datagrams[i].size()};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = ::sendmmsg(fd_.get(), messages, static_cast<unsigned>(count), 0);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }

  platform::UniqueFd fd_;
  bool segment_works_ = true;
};

std::vector<Volley> handshakes(const char* public_key) {
  const auto decoded = from_base64(public_key);
  x25519::PublicKey holder;
  if (!decoded.ok() || decoded->size() != holder.size()) give_up("public key");
  std::copy(decoded->begin(), decoded->end(), holder.begin());
  const Digest32 key = core::wireguard::mac1_key(holder);
  std::vector<Volley> out;
  for (int i = 0; i < 32; ++i) {
    std::vector<Bytes> initiations, noisy, cookies;
    for (std::size_t k = 0; k < kBatch; ++k) {
      Bytes one = noise(148);
      one[0] = 1;
      one[1] = one[2] = one[3] = 0;
      const ByteArray<16> mac1 = blake2s_mac(key, ByteSpan(one).first(116));
      std::copy(mac1.begin(), mac1.end(), one.begin() + 116);
      std::fill(one.begin() + 132, one.end(), std::uint8_t{0});
      initiations.push_back(one);
      noisy.push_back(noise(148));
      Bytes cookie = noise(64);
      cookie[0] = k % 2 == 0 ? 3 : 4;
      cookie[1] = cookie[2] = cookie[3] = 0;
      cookies.push_back(cookie);
    }
    out.push_back(volley("initiations", std::move(initiations)));
    out.push_back(volley("noise_as_large", std::move(noisy)));
    out.push_back(volley("small", std::move(cookies)));
  }
  return out;
}

// Messages to the port that pass the link, sizes up to what a wire carries.
std::vector<Bytes> catch_real(const char* link, std::uint16_t port) {
  platform::UniqueFd tap(::socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETH_P_ALL)));
  sockaddr_ll at{};
  at.sll_family = AF_PACKET;
  at.sll_protocol = htons(ETH_P_ALL);
  at.sll_ifindex = static_cast<int>(::if_nametoindex(link));
  if (!tap.valid() || ::bind(tap.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) {
    give_up("packet socket");
  }
  std::vector<Bytes> real;
  Bytes frame(70000);
  for (const std::int64_t end = now_ns() + 5000000000; real.size() < 50 && now_ns() < end;) {
    pollfd wait{tap.get(), POLLIN, 0};
    if (::poll(&wait, 1, 200) != 1) continue;
    const ssize_t got = ::recv(tap.get(), frame.data(), frame.size(), MSG_DONTWAIT);
    if (got < 14 + 20 + 8 + 32 || frame[12] != 8 || frame[13] != 0) continue;
    const std::uint8_t* const ip = frame.data() + 14;
    const std::uint8_t* const udp = ip + std::size_t{ip[0]} % 16 * 4;
    const auto be16 = [](const std::uint8_t* p) { return p[0] << 8 | p[1]; };
    if (ip[9] != 17 || be16(udp + 2) != port || udp[8] != 4) continue;
    const std::size_t size = static_cast<std::size_t>(be16(udp + 4)) - 8;
    if (size > 1472 || udp + 8 + size > frame.data() + got) continue;
    real.emplace_back(udp + 8, udp + 8 + size);
  }
  return real;
}

std::vector<Volley> transport(const char* link, const char* port) {
  const std::vector<Bytes> real =
      catch_real(link, static_cast<std::uint16_t>(std::strtoul(port, nullptr, 10)));
  if (real.empty()) {
    std::fprintf(stderr, "no transport message seen\n");
    std::exit(1);
  }
  const auto any = [&]() -> const Bytes& { return real[below(real.size())]; };
  std::vector<Volley> out;
  const auto add = [&](const char* kind, auto make) {
    std::vector<Bytes> all;
    for (std::size_t k = 0; k < kBatch; ++k) all.push_back(make(k));
    out.push_back(volley(kind, std::move(all)));
  };
  for (int round = 0; round < 16; ++round) {
    const Bytes& one = any();
    add("replayed", [&](std::size_t) { return one; });
    add("reordered", [&](std::size_t) { return any(); });
    add("one_bit", [&](std::size_t) {
      Bytes m = one;
      m[16 + below(m.size() - 16)] ^= static_cast<std::uint8_t>(1u << below(8));
      return m;
    });
    add("any_bit", [&](std::size_t) {
      Bytes m = any();
      m[below(m.size())] ^= static_cast<std::uint8_t>(1u << below(8));
      return m;
    });
    add("cut", [&](std::size_t) {
      const Bytes& m = any();
      return Bytes(m.begin(), m.begin() + static_cast<std::ptrdiff_t>(below(m.size())));
    });
    add("longer", [&](std::size_t) {
      Bytes m = any();
      const Bytes more = noise(1 + below(64));
      m.insert(m.end(), more.begin(), more.end());
      return m;
    });
    add("any_counter", [&](std::size_t) {
      Bytes m = one;
      noise(m.data() + 8, 8);
      return m;
    });
    add("nobodys_index", [&](std::size_t) {
      Bytes m = one;
      noise(m.data() + 4, 4);
      return m;
    });
    add("empty_forged", [&](std::size_t) {
      Bytes m = noise(32);
      std::copy(one.begin(), one.begin() + 8, m.begin());
      return m;
    });
    add("noise", [&](std::size_t) { return noise(below(200)); });
    add("noise_with_a_type", [&](std::size_t k) {
      constexpr std::size_t kSizes[] = {32, 92, 148, 64};
      Bytes m = noise(kSizes[k % 4]);
      m[0] = static_cast<std::uint8_t>(1 + below(4));
      m[1] = m[2] = m[3] = 0;
      return m;
    });
    if (round == 0) {  // a few: each is forty fragments
      Bytes large = noise(65000);
      std::copy(one.begin(), one.begin() + 16, large.begin());
      out.push_back(volley("oversized", {large}));
    }
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6 && argc != 7) {
    std::fprintf(stderr, "usage: %s handshakes|transport KEY|LINK ADDRESS PORT SECONDS [RATE]\n",
                 argv[0]);
    return 2;
  }
  const std::vector<Volley> volleys =
      std::strcmp(argv[1], "handshakes") == 0 ? handshakes(argv[2]) : transport(argv[2], argv[4]);
  const double seconds = std::strtod(argv[5], nullptr);
  const double rate = argc == 7 ? std::strtod(argv[6], nullptr) : 0;
  Gun gun(argv[3], argv[4]);
  std::vector<std::pair<const char*, std::uint64_t>> kinds;
  for (const Volley& one : volleys) {
    const auto same = [&](const auto& kind) { return std::strcmp(kind.first, one.kind) == 0; };
    if (std::none_of(kinds.begin(), kinds.end(), same)) kinds.emplace_back(one.kind, 0);
  }
  std::printf("fires\n");
  std::fflush(stdout);
  const std::int64_t start = now_ns();
  const auto end = start + static_cast<std::int64_t>(seconds * 1e9);
  std::uint64_t sent = 0;
  std::int64_t now = start;
  for (std::size_t next = 0; now < end; now = now_ns()) {
    if (rate > 0 && static_cast<double>(sent) > rate * static_cast<double>(now - start) / 1e9) {
      const timespec pause{0, 200000};
      ::nanosleep(&pause, nullptr);
      continue;
    }
    const Volley& one = volleys[next++ % volleys.size()];
    const std::size_t left = gun.fire(one);
    sent += left;
    for (auto& kind : kinds) {
      if (std::strcmp(kind.first, one.kind) == 0) kind.second += left;
    }
  }
  std::printf("sent %llu in %lld ms, %.0f a second\n", static_cast<unsigned long long>(sent),
              static_cast<long long>((now - start) / 1000000),
              static_cast<double>(sent) * 1e9 / static_cast<double>(now - start));
  for (const auto& kind : kinds) {
    std::printf("%s %llu\n", kind.first, static_cast<unsigned long long>(kind.second));
  }
  return 0;
}
