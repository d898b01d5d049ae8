#include "drivers/transactor/client.hpp"

#include <algorithm>

#include "core/base/url.hpp"

namespace myst::transactor {
namespace {

using namespace core::money;

constexpr Duration kTimeout = std::chrono::seconds{20};
constexpr std::chrono::seconds kFeeAge{30};  // node: payments.transactor.fees-valid-time

}  // namespace

template <typename T, typename Read>
void Client::ask_at(const char* who, std::string url, const std::string* body, Read read,
                    Callback<T> done) {
  platform::HttpClient::Call call;
  call.url = std::move(url);
  call.timeout = kTimeout;
  call.headers.add("Content-Type", "application/json");
  call.headers.add("Accept", "application/json");
  if (body != nullptr) {
    call.method = "POST";
    call.body = *body;
  }
  http_.send(std::move(call), [this, who, read = std::move(read), done = std::move(done)](
                                  const Result<platform::HttpResponse>& answer) {
    problem_.clear();
    if (!answer.ok()) {
      problem_ = std::string("the ") + who + " does not answer: " + answer.error().what;
      return done(answer.error());
    }
    if (answer->status < 200 || answer->status > 299) {
      problem_ = read_problem(answer->body);
      return done(Error{Errc::Rejected, answer->status, "refused"});
    }
    auto result = read(answer->body);
    if (!result.ok()) problem_ = std::string("answer of the ") + who + ": " + result.error().what;
    done(std::move(result));
  });
}

void Client::fee(std::uint64_t chain, FeeKind kind, Callback<Fee> done) {
  const auto key = std::make_pair(chain, kind);
  const WallTime now = loop_.now().wall;
  if (const auto found = fees_.find(key); found != fees_.end() && now < found->second.valid_until) {
    return done(found->second);
  }
  ask<Fee>(fee_path(chain, kind), nullptr, read_fee, [this, key, done](Result<Fee> fee) {
    if (fee.ok()) {
      Fee kept = *fee;
      kept.valid_until = std::min<WallTime>(kept.valid_until, loop_.now().wall + kFeeAge);
      if (fees_.size() >= 16) fees_.clear();
      fees_[key] = kept;
    }
    done(std::move(fee));
  });
}

void Client::fees(std::uint64_t chain, Callback<CombinedFees> done) {
  ask<CombinedFees>("fee/" + std::to_string(chain), nullptr, read_combined_fees, std::move(done));
}

void Client::eligible(const Address& identity, Callback<bool> done) {
  ask<bool>("identity/register/eligibility/" + identity.to_string(), nullptr, read_eligible,
            std::move(done));
}

void Client::provider_eligible(Callback<bool> done) {
  ask<bool>("identity/register/provider/eligibility", nullptr, read_eligible, std::move(done));
}

void Client::registrations(const Address& identity,
                           Callback<std::vector<RegistrationStatus>> done) {
  ask<std::vector<RegistrationStatus>>("identity/" + identity.to_string() + "/status", nullptr,
                                       read_registrations, std::move(done));
}

void Client::send(const TransactorCall& call, Callback<std::string> done) {
  const WireCall wire = write_call(call);
  ask<std::string>(
      wire.path, &wire.body,
      [queued = is_queued(call)](const std::string& body) {
        return queued ? read_queue_id(body) : Result<std::string>(std::string());
      },
      std::move(done));
}

void Client::queue(const std::string& id, Callback<QueueEntry> done) {
  ask<QueueEntry>("queue/" + percent_encode(id), nullptr, read_queue_entry, std::move(done));
}

void Client::token_reward(std::string_view affiliator, std::string_view token, Callback<Wei> done) {
  while (!affiliator.empty() && affiliator.back() == '/') affiliator.remove_suffix(1);
  ask_at<Wei>("affiliator",
              std::string(affiliator) + "/register-reward/token/" + percent_encode(token), nullptr,
              read_reward, std::move(done));
}

}  // namespace myst::transactor
