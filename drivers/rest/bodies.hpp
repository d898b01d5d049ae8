// Request bodies to values. Malformed means "does not parse" to the client (400 parse_failed); what
// parses but is not acceptable is left to the handler, which names the field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "drivers/rest/exchange.hpp"
#include "drivers/rest/node_api.hpp"

namespace myst::rest {

// The first JSON value of a text; what follows is ignored, as the reference does. Malformed when
// there is none.
Result<json::Document> parse_first_value(std::string_view text);

struct Credentials {
  std::string username, password, new_password;  // the last one of a change only
};
Result<Credentials> parse_credentials(std::string_view body);      // username, password
Result<Credentials> parse_password_change(std::string_view body);  // username, old_, new_password

// `data` of a configuration change: keys in document order.
Result<std::vector<ConfigChange>> parse_config_changes(std::string_view body);

struct TermsBody {
  std::optional<bool> provider, consumer;
  std::string version;
};
Result<TermsBody> parse_terms(std::string_view body);

// Bodies with a passphrase, which must be present though it may be empty.
struct PassphraseBody {
  std::optional<std::string> id;  // of identities/current
  std::optional<std::string> passphrase;
};
Result<PassphraseBody> parse_passphrase(std::string_view body);

struct ExportBody {
  std::string identity, new_passphrase;
};
Result<ExportBody> parse_export(std::string_view body);

Result<ImportRequest> parse_import(std::string_view body);
Result<RegisterRequest> parse_register(std::string_view body);
Result<std::string> parse_wallet(std::string_view body);

struct ConnectBody {
  std::string consumer_id;
  std::string sort_by;
  ConnectRequest request;  // but consumer and sort_by
};
Result<ConnectBody> parse_connect(std::string_view body);

struct ServiceBody {
  std::string provider_id, type;
  std::optional<std::vector<std::string>> policies;
  std::optional<ServiceOptions> options;
  bool options_fault = false;  // present, but of no use
};
Result<ServiceBody> parse_service(std::string_view body);  // refuses unknown members

struct SettleBody {
  std::string provider_id;
  std::vector<Address> hermeses;  // the zero address when none was named
};
Result<SettleBody> parse_settle(std::string_view body);

struct WithdrawBody {
  std::string provider_id, hermes_id, beneficiary, amount;
  std::int64_t from = 0, to = 0;
};
Result<WithdrawBody> parse_withdraw(std::string_view body);

struct StakeBody {
  std::string id;
  Wei amount;
};
Result<StakeBody> parse_decrease_stake(std::string_view body);

struct BeneficiaryBody {
  std::string beneficiary;
  std::vector<Address> hermeses;  // empty: every known one
};
Result<BeneficiaryBody> parse_beneficiary_change(std::string_view body);

// auto, provider, system, or IP addresses separated by commas.
Result<DnsChoice> parse_dns(std::string_view text);

}  // namespace myst::rest
