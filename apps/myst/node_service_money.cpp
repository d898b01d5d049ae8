// What the REST API shows of the chain: registration, balances, beneficiary.
#include <utility>

#include "apps/myst/node_service.hpp"
#include "core/payment/channel.hpp"

namespace myst::app {
namespace {

using chain::RegistrationState;

rest::Registration to_rest(RegistrationState state) {
  switch (state) {
    case RegistrationState::Registered:
      return rest::Registration::Registered;
    case RegistrationState::Unregistered:
      return rest::Registration::Unregistered;
    case RegistrationState::InProgress:
      return rest::Registration::InProgress;
    case RegistrationState::Failed:
      return rest::Registration::RegistrationError;
  }
  return rest::Registration::Unknown;
}

rest::Failure not_found() { return {404, "not_found", "Identity not found"}; }

rest::Failure chain_failure(const char* code, const char* what, const Error& error) {
  return {500, code, std::string(what) + ": " + error.what};
}

}  // namespace

rest::IdentityInfo NodeService::known_identity(const Address& id) const {
  rest::IdentityInfo info;
  info.id = id;
  info.registration = rest::Registration::Registered;  // a network without a chain asks for none
  if (!parts_.chains.present()) return info;
  const Chains::Chain& chain = parts_.chains.active();
  const auto state = parts_.chains.known_registration(id);
  info.registration = state ? to_rest(*state) : rest::Registration::Unknown;
  info.hermes = chain.hermes;
  info.channel =
      payment::consumer_channel(id, chain.hermes, chain.registry, chain.channel_implementation);
  info.balance = parts_.chains.known_balance(id).value_or(Wei());
  info.stake = parts_.chains.known_stake(id).value_or(Wei());
  return info;
}

// In the background: what is shown of an identity is read as soon as it can be used.
void NodeService::read_chain_of(const Address& id) {
  if (!parts_.chains.present()) return;
  const auto told = [this] {
    if (changed_) changed_();
  };
  parts_.chains.watch_balance(id, false);
  parts_.chains.registration(id, [this, id, told](const Result<RegistrationState>& state) {
    told();
    if (!state.ok() || *state != RegistrationState::Registered) return;
    parts_.chains.provider_channel(id, parts_.chains.active().hermes,
                                   [told](const Result<chain::hermes::Channel>&) { told(); });
  });
  parts_.chains.balance(id, parts_.chains.active().hermes, false,
                        [told](const Result<Wei>&) { told(); });
}

void NodeService::identity(const Address& id, rest::Done<rest::IdentityInfo> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(known_identity(id));
  parts_.chains.registration(id, [this, id, done](const Result<RegistrationState>& state) {
    if (!state.ok()) {
      return done(chain_failure("err_id_registration_status_check",
                                "Failed to check the registration on chain", state.error()));
    }
    if (parts_.chains.known_balance(id)) {
      done(known_identity(id));
      return read_chain_of(id);  // for the next time
    }
    parts_.chains.balance(id, parts_.chains.active().hermes, false,
                          [this, id, done](const Result<Wei>&) { done(known_identity(id)); });
  });
}

void NodeService::registration(const Address& id, rest::Done<rest::Registration> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(rest::Registration::Registered);
  parts_.chains.registration(id, [done](const Result<RegistrationState>& state) {
    if (state.ok()) return done(to_rest(*state));
    done(chain_failure("err_id_registration_status_check",
                       "Failed to check the registration on chain", state.error()));
  });
}

void NodeService::refresh_balance(const Address& id, rest::Done<Wei> done) {
  if (!parts_.keystore.contains(id)) return done(not_found());
  if (!parts_.chains.present()) return done(Wei());
  parts_.chains.balance(
      id, parts_.chains.active().hermes, true, [this, id, done](const Result<Wei>& balance) {
        if (changed_) changed_();
        // Without an answer the last known balance stands, as in the reference.
        done(balance.ok() ? *balance : parts_.chains.known_balance(id).value_or(Wei()));
      });
}

void NodeService::beneficiary(const Address& id, rest::Done<Address> done) {
  parts_.chains.beneficiary(id, [done](const Result<Address>& beneficiary) {
    if (beneficiary.ok()) return done(*beneficiary);
    done(chain_failure("err_beneficiary_get", "Failed to read the beneficiary",
                       beneficiary.error()));
  });
}

// A consumer has to be registered before it asks a provider for anything.
void NodeService::check_consumer(const Address& id, std::function<void()> good,
                                 std::function<void(rest::Failure)> bad) {
  if (!parts_.chains.present()) return good();
  parts_.chains.registration(
      id, [good = std::move(good), bad = std::move(bad)](const Result<RegistrationState>& state) {
        if (!state.ok()) {
          return bad(chain_failure("err_id_registration_status_check",
                                   "Failed to check the registration on chain", state.error()));
        }
        if (*state == RegistrationState::Registered || *state == RegistrationState::InProgress) {
          return good();
        }
        bad({422, "err_id_not_registered",
             "The identity is not registered: register it before connecting"});
      });
}

}  // namespace myst::app
