// Words (separated by NUL) as command line; then every lookup and the dump must work.
#include <cstdlib>

#include "core/base/text.hpp"
#include "core/config/node_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  std::vector<std::string> words;
  for (const std::string_view word : split(as_text({data, size}), '\0')) words.emplace_back(word);
  const core::FlagSet set{core::ConfigKey::kGlobal | core::ConfigKey::kService, {}, true};
  core::ParsedFlags parsed = core::parse_flags(set, words);
  if (!parsed.ok()) return 0;
  if (parsed.rest > words.size()) std::abort();
  core::NodeConfig config({"/home/u", "/opt"});
  (void)config.set_command_line(parsed.values);
  (void)config.absorb_document(parsed.values);
  for (const core::FlagValue& item : parsed.values) {
    (void)config.set_user_value(item.name, item.value);
    (void)config.text(item.name);
    (void)config.list(item.name);
    (void)config.duration(item.name);
  }
  (void)config.first_fault();
  (void)config.network_folder();
  if (!config.dump().is_table()) std::abort();
  return 0;
}
