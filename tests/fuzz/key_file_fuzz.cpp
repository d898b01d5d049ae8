// A key file from anywhere: claimed_address() and open_key() never crash and never cost more than
// they were allowed. Costly scrypt settings are refused by the memory limit; time stays bounded.
#include "drivers/keystore/key_file.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace myst;
  const std::string_view text = as_text({data, size});
  (void)keystore::claimed_address(text).ok();
  // PBKDF2 costs time, not memory: a million rounds are legal, and too slow for here.
  if (text.find("bkdf2") != std::string_view::npos) return 0;
  (void)keystore::open_key(text, as_bytes("x"), 64 * 1024).ok();
  return 0;
}
