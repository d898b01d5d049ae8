// Asks the transactor over HTTP. Fees are kept while they are valid, at most 30 s.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/result.hpp"
#include "drivers/transactor/client_codec.hpp"
#include "platform/http/client.hpp"
#include "platform/loop/loop.hpp"

namespace myst::transactor {

class Client {
 public:
  // Errors: those of HttpClient, Malformed, and Rejected when the transactor says no;
  // last_problem() says why, until the next call ends.
  template <typename T>
  using Callback = std::function<void(Result<T>)>;

  Client(platform::Loop& loop, platform::HttpClient& http, std::string base_url)
      : loop_(loop), http_(http), base_(std::move(base_url)) {
    while (!base_.empty() && base_.back() == '/') base_.pop_back();
  }

  void fee(std::uint64_t chain, core::money::FeeKind kind, Callback<core::money::Fee> done);
  void fees(std::uint64_t chain, Callback<CombinedFees> done);
  void eligible(const Address& identity, Callback<bool> done);
  void provider_eligible(Callback<bool> done);
  void registrations(const Address& identity,
                     Callback<std::vector<core::money::RegistrationStatus>> done);
  // The queue id, empty for calls without one.
  void send(const core::money::TransactorCall& call, Callback<std::string> done);
  void queue(const std::string& id, Callback<core::money::QueueEntry> done);
  // What a registration token is worth, as the affiliator says (node:
  // identity/registry/affiliator.go). NotFound: it says nothing of that token.
  void token_reward(std::string_view affiliator, std::string_view token, Callback<Wei> done);
  const std::string& last_problem() const { return problem_; }

 private:
  template <typename T, typename Read>
  void ask(std::string path, const std::string* body, Read read, Callback<T> done) {
    ask_at<T>("transactor", base_ + "/" + path, body, std::move(read), std::move(done));
  }
  template <typename T, typename Read>
  void ask_at(const char* who, std::string url, const std::string* body, Read read,
              Callback<T> done);

  platform::Loop& loop_;
  platform::HttpClient& http_;
  std::string base_, problem_;
  std::map<std::pair<std::uint64_t, core::money::FeeKind>, core::money::Fee> fees_;
};

}  // namespace myst::transactor
