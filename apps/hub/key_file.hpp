// The private keys a hub signs with: operator of Hermes, sender of transactions.
#pragma once

#include <string>
#include <variant>

#include "core/identity/signer.hpp"

namespace myst::hub {

// 64 hex digits (an 0x in front is taken) or a keystore file (Web3 secret storage). The text of an
// error is a sentence for the operator.
std::variant<LocalSigner, std::string> read_key_file(const std::string& path,
                                                     const std::string& passphrase_file);
// Others than the owner can read it.
bool is_exposed(const std::string& path);

}  // namespace myst::hub
