// A subject that parses is one that signed_subject() could have written.
#include <cstdlib>

#include "core/identity/signed_subject.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  const auto subject = parse_signed_subject(text);
  if (!subject.ok()) return 0;
  if (subject->unix_seconds < 0 || subject->topic.empty()) std::abort();
  if (subject->topic.data() + subject->topic.size() != text.data() + text.size()) std::abort();
  (void)recover_signer(*subject).ok();
  return 0;
}
