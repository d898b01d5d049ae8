// Asks Hermes over HTTP. Nothing is cached or repeated here.
#pragma once

#include <functional>
#include <string>

#include "core/base/result.hpp"
#include "drivers/hermes/client_codec.hpp"
#include "platform/http/client.hpp"

namespace myst::hermes {

class Client {
 public:
  // A refusal is an answer. Errors: those of HttpClient, Malformed for what cannot be read, and
  // what the signer says. Called exactly once, never from inside call().
  using Done = std::function<void(Result<core::hermes::Answer>)>;

  explicit Client(platform::HttpClient& http) : http_(http) {}

  // `signer` is needed for the calls that Hermes wants signed, and not looked at for others.
  void call(const std::string& base_url, const core::money::HermesCall& call, const Signer* signer,
            Done done);

 private:
  platform::HttpClient& http_;
};

}  // namespace myst::hermes
