#include "drivers/rest/node_api.hpp"

namespace myst::rest {
namespace {

Failure no_chain(const char* code, const char* what) {
  return {500, code, std::string(what) + ": this network has no chain"};
}

}  // namespace

void NodeApi::beneficiary(const Address&, Done<Address> done) {
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

}  // namespace myst::rest
