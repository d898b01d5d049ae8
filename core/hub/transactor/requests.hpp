// What nodes ask of a transactor, parsed; and the task that comes of it when its signatures hold.
#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/base/time.hpp"
#include "core/hub/transactor/task.hpp"
#include "core/identity/signature.hpp"
#include "core/payment/signed_requests.hpp"

namespace myst::core::transactor {

struct Fees {
  Wei register_identity, settle, decrease_stake;
};

struct ChainTerms {
  std::uint64_t id = 0;
  Address registry, token, channel_implementation;
  Address hermes;                        // the active one
  std::vector<Address> hermeses;         // all that are served
  std::map<Address, Address> operators;  // of those whose operator is known
  std::optional<Address> promise_collector;
  Fees fees;  // the least that is taken
};
struct Terms {
  std::vector<ChainTerms> chains;
  const ChainTerms* chain(std::uint64_t id) const;
};

struct RegistrationRequest {
  payment::RegistrationTerms terms;
  Address identity;
  Signature signature{};
};
struct OpenChannelRequest {
  payment::OpenChannelTerms terms;
  Signature signature{};
};
struct SettleRequest {
  Kind kind = Kind::Settle;  // or SettleIntoStake
  std::uint64_t chain = 0;
  Address provider, hermes;
  Digest32 channel{};
  Wei amount, fee;
  ByteArray<32> r{};
  Signature signature{};
};
struct SettleWithBeneficiaryRequest {
  SettleRequest settle;
  payment::BeneficiaryTerms terms;
  Signature signature{};
};
struct PayAndSettleRequest {
  SettleRequest settle;
  Address beneficiary;
  Signature signature{};
};
struct DecreaseStakeRequest {
  Address provider, hermes;
  payment::StakeDecreaseTerms terms;
  Signature signature{};
};
// Not from nodes: what Hermes cashes of its consumers.
struct CashRequest {
  struct Promise {
    Address channel;
    Wei amount, fee;
    ByteArray<32> r{};
    Signature signature{};
  };
  std::uint64_t chain = 0;
  std::vector<Promise> promises;  // more than one needs a collector contract
};

using Request = std::variant<RegistrationRequest, OpenChannelRequest, SettleRequest,
                             SettleWithBeneficiaryRequest, PayAndSettleRequest,
                             DecreaseStakeRequest, CashRequest>;

struct Refusal {
  int status = 400;
  std::string code;     // one word
  std::string message;  // for people
};

std::variant<Task, Refusal> make_task(const Terms& terms, const Request& request, WallTime now);

}  // namespace myst::core::transactor
