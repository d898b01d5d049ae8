// What other programs ask an observer: which Hermes contracts there are, with their operator, fee
// and URL, as the chain says (node: payments: observer/api.go). Read again from time to time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "apps/hub/chain_lookup.hpp"
#include "platform/http/message.hpp"
#include "platform/loop/timer.hpp"

namespace myst::hub {

class Observer {
 public:
  Observer(platform::Loop& loop, Chains& chains);
  ~Observer();
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  static constexpr const char* kPath = "/observer/api/v1/observed/hermes";
  // {"<chain>":[…]}; `query`: active=, approved=. What the chain has not told yet is not in it.
  std::string answer(std::string_view query) const;

 private:
  struct Entry {
    std::optional<chain::registry::HermesRecord> record;
    std::optional<Address> channel_implementation;
    std::optional<std::uint16_t> fee;
    std::optional<bool> active;
  };
  using Key = std::pair<std::uint64_t, Address>;
  void refresh();
  // The entry, while this lives.
  template <typename T, typename Take>
  std::function<void(Result<T>)> then(const Key& key, Take take);

  platform::Loop& loop_;
  Chains& chains_;
  std::map<Key, Entry> entries_;  // of the contracts in the files: bounded
  platform::Timer timer_;
};

}  // namespace myst::hub
