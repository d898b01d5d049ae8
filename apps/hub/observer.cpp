#include "apps/hub/observer.hpp"

#include <string_view>

#include "platform/json/writer.hpp"

namespace myst::hub {
namespace {

constexpr Duration kRefresh = std::chrono::minutes{10};
constexpr Duration kRetry = std::chrono::seconds{10};

bool asks(std::string_view query, std::string_view pair) {
  for (std::size_t at = query.find(pair); at != std::string_view::npos;
       at = query.find(pair, at + 1)) {
    const std::size_t end = at + pair.size();
    if ((at == 0 || query[at - 1] == '&') && (end == query.size() || query[end] == '&')) {
      return true;
    }
  }
  return false;
}

}  // namespace

Observer::Observer(platform::Loop& loop, Chains& chains)
    : loop_(loop), chains_(chains), timer_(loop, [this] { refresh(); }) {
  for (const auto& [id, chain] : chains_.all()) {
    for (const Address& hermes : chain.contracts.known_hermeses) entries_[{id, hermes}] = {};
  }
  timer_.arm(loop_.instant());
}

Observer::~Observer() = default;

template <typename T, typename Take>
std::function<void(Result<T>)> Observer::then(const Key& key, Take take) {
  // The clients that call back die with the chains, before this does.
  return [this, key, take](const Result<T>& found) {
    if (found.ok()) {
      take(entries_[key], *found);
    } else {
      timer_.arm_in(kRetry);
    }
  };
}

void Observer::refresh() {
  timer_.arm_in(kRefresh);
  for (const auto& [key, entry] : entries_) {
    Chains::Chain* chain = chains_.find(key.first);
    ethereum::Reader* reader = chain->reader.get();
    const Address registry = chain->contracts.registry, hermes = key.second;
    reader->hermes_record(registry, hermes,
                          then<chain::registry::HermesRecord>(
                              key, [this, key = key, reader, registry](
                                       Entry& known, const chain::registry::HermesRecord& record) {
                                known.record = record;
                                reader->channel_implementation(
                                    registry, record.implementation_version,
                                    then<Address>(key, [](Entry& e, const Address& implementation) {
                                      e.channel_implementation = implementation;
                                    }));
                              }));
    reader->hermes_fee(
        hermes, then<chain::hermes::Fee>(
                    key, [](Entry& e, const chain::hermes::Fee& fee) { e.fee = fee.per_10000; }));
    reader->hermes_active(hermes,
                          then<bool>(key, [](Entry& e, bool active) { e.active = active; }));
  }
}

std::string Observer::answer(std::string_view query) const {
  std::string out;
  json::Writer writer(out);
  writer.begin_object();
  for (const auto& [id, chain] : chains_.all()) {
    writer.key(std::to_string(id)).begin_array();
    for (const Address& hermes : chain.contracts.known_hermeses) {
      const Entry& entry = entries_.at({id, hermes});
      if (!entry.record || !entry.channel_implementation || !entry.fee || !entry.active) continue;
      if (asks(query, "approved=false")) continue;  // all of these are
      if (asks(query, *entry.active ? "active=false" : "active=true")) continue;
      writer.begin_object()
          .member("hermes_address", hermes.to_checksum())
          .member("operator", entry.record->operator_key.to_checksum())
          .member("channel_impl", entry.channel_implementation->to_checksum())
          .member("version", entry.record->implementation_version)
          .member("fee", *entry.fee)
          .member("url", entry.record->url)
          .member("active", *entry.active)
          .member("approved", true)
          .end_object();
    }
    writer.end_array();
  }
  writer.end_object();
  return out;
}

}  // namespace myst::hub
