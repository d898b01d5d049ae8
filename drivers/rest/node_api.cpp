#include "drivers/rest/node_api.hpp"

namespace myst::rest {
namespace {

Failure no_chain(const char* code, const char* what) {
  return {500, code, std::string(what) + ": this network has no chain"};
}

}  // namespace

void NodeApi::beneficiary(const Address&, Done<Beneficiary> done) {
  done(no_chain("err_beneficiary_get", "There is no beneficiary"));
}
void NodeApi::register_identity(const Address&, RegisterRequest, Done<bool> done) {
  done(no_chain("err_transactor_registration",
                "Identities need no registration and none is possible"));
}
void NodeApi::payout_wallet(const Address&, Done<std::string> done) { done(std::string()); }
void NodeApi::set_payout_wallet(const Address&, const Address&, Done<Nothing> done) {
  done(no_chain("err_id_save_beneficiary_invalid_address", "A payout wallet has no use"));
}
void NodeApi::settle(const Address&, std::vector<Address>, bool wait, Done<Nothing> done) {
  done(no_chain(wait ? "err_hermes_settle" : "err_hermes_settle_async",
                "There is nothing to settle"));
}

void NodeApi::settle_into_stake(const Address&, std::vector<Address>, bool, Done<Nothing> done) {
  done(no_chain("err_transactor_settle_into_stake", "There is nothing to settle"));
}
void NodeApi::withdraw(WithdrawRequest, Done<Nothing> done) {
  done(no_chain("err_transactor_withdraw", "There is nothing to withdraw"));
}
void NodeApi::decrease_stake(const Address&, const Wei&, Done<Nothing> done) {
  done(no_chain("err_transactor_decrease_stake", "There is no stake"));
}
// Where there is no Hermes, there is none to leave.
void NodeApi::migrate_hermes(const Address&, Done<Nothing> done) { done(Nothing{}); }
void NodeApi::migration_needed(const Address&, Done<bool> done) { done(false); }
void NodeApi::change_beneficiary(const Address&, std::vector<Address>, const Address&) {}
BeneficiaryChange NodeApi::beneficiary_change(const Address&) const { return {}; }
// Without a transactor nobody can register, for free or otherwise.
void NodeApi::eligible(std::optional<Address>, Done<bool> done) { done(false); }
void NodeApi::fees(std::optional<std::int64_t>, Done<FeeReport> done) {
  done(no_chain("err_transactor_fetch_fees", "There are no fees"));
}
void NodeApi::token_reward(std::string, Done<Wei> done) {
  done(Failure{500, "err_affiliator_failed", "This network has no affiliator"});
}
void NodeApi::settlements(SettlementFilter, std::uint32_t, std::uint64_t,
                          Done<SettlementPage> done) {
  done(SettlementPage{});
}

}  // namespace myst::rest
