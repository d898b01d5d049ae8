// First byte: which part of a request the rest is. Nothing may crash, whatever a client sends.
#include <cstdlib>

#include "drivers/rest/bodies.hpp"
#include "drivers/rest/contract.hpp"
#include "drivers/rest/filters.hpp"
#include "drivers/rest/jwt.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  using namespace myst::rest;
  if (size == 0) return 0;
  const std::string_view text = as_text({data + 1, size - 1});
  switch (data[0] % 16) {
    case 0:
      (void)parse_credentials(text).ok();
      break;
    case 1:
      (void)parse_password_change(text).ok();
      break;
    case 2: {
      const auto changes = parse_config_changes(text);
      if (!changes.ok()) break;
      core::NodeConfig config({"/home/u", "/opt"});
      for (const ConfigChange& change : *changes) {
        if (change.value) {
          (void)config.set_user_value(change.key, *change.value).ok();
        } else {
          config.remove_user_value(change.key);
        }
      }
      std::string body;
      json::Writer out(body);
      write_config(out, config.dump());
      if (!json::Document::parse(body, {64u << 20, 64}).ok()) std::abort();
      break;
    }
    case 3:
      (void)parse_terms(text).ok();
      break;
    case 4:
      (void)parse_passphrase(text).ok();
      break;
    case 5:
      (void)parse_export(text).ok();
      break;
    case 6:
      (void)parse_import(text).ok();
      break;
    case 7:
      (void)parse_register(text).ok();
      break;
    case 8:
      (void)parse_wallet(text).ok();
      break;
    case 9:
      (void)parse_connect(text).ok();
      break;
    case 10:
      (void)parse_service(text).ok();
      break;
    case 11:
      (void)parse_settle(text).ok();
      break;
    case 12: {
      Request request;
      request.target = std::string(text);
      Exchange exchange(std::move(request), nullptr);
      (void)exchange.query("page");
      (void)exchange.query_flag("include_all");
      exchange.fail_validation({{"page", "invalid_value", exchange.path()}});
      // The reader refuses NUL, which the writer escapes.
      const std::string body = error_body("x", text, 400, text);
      if (text.find('\0') == std::string_view::npos && text.size() < 100000 &&
          !json::Document::parse(body).ok()) {
        std::abort();
      }
      break;
    }
    case 13: {
      const Bytes key(32, 1);
      const auto token = find_token(text, text);
      if (token.ok() && check_token(key, *token, 0).ok()) std::abort();  // a forged signature
      (void)check_token(key, text, 0).ok();
      break;
    }
    case 14: {
      (void)HostFilter(".localhost, localhost").allows(text);
      (void)HostFilter(text).allows("localhost:4050");
      Request request;
      request.peer = IpAddress::v4(127, 0, 0, 1);
      request.forwarded_for = std::string(text);
      (void)comes_from_loopback(request);
      break;
    }
    default: {
      const auto day = parse_date(text);
      if (day.ok() && date_text(*day) != text) std::abort();
      (void)parse_dns(text).ok();
      break;
    }
  }
  return 0;
}
