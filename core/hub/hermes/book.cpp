#include "core/hub/hermes/book.hpp"

namespace myst::core::hermes {
namespace {

template <typename Table, typename Visitor>
Status visit_changed(const Table& table, const Visitor& visitor) {
  for (const auto& [key, slot] : table) {
    if (slot.changed && slot.row) MYST_TRY(visitor(key, *slot.row));
  }
  return {};
}

}  // namespace

std::optional<ProviderKey> Book::owner(std::uint64_t chain, const Digest32& channel) {
  for (const auto& [key, slot] : providers_) {
    if (slot.changed && key.chain == chain && slot.row->latest.promise.channel == channel) {
      return key;
    }
  }
  auto found = source_.owner(chain, channel);
  if (found.ok()) return *found;
  if (failure_.ok()) failure_ = found.error();
  return std::nullopt;
}

Status Book::each_changed(const Visitor<ConsumerKey, ConsumerAccount>& consumer,
                          const Visitor<ProviderKey, ProviderAccount>& provider,
                          const Visitor<AgreementKey, AgreementAccount>& agreement,
                          const std::function<Status(const AgreementKey&)>& gone) const {
  MYST_TRY(visit_changed(consumers_, consumer));
  MYST_TRY(visit_changed(providers_, provider));
  MYST_TRY(visit_changed(agreements_, agreement));
  for (const auto& [key, slot] : agreements_) {
    if (slot.changed && !slot.row) MYST_TRY(gone(key));
  }
  return {};
}

}  // namespace myst::core::hermes
