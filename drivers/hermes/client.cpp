#include "drivers/hermes/client.hpp"

#include <utility>

namespace myst::hermes {
namespace {

constexpr Duration kTimeout = std::chrono::seconds{20};  // node: requests/client.go

}  // namespace

void Client::call(const std::string& base_url, const core::money::HermesCall& call,
                  const Signer* signer, Done done) {
  platform::HttpClient::Call http;
  http.timeout = kTimeout;
  http.headers.add("Content-Type", "application/json");
  http.headers.add("Accept", "application/json");
  auto wire = write_call(call);
  // What cannot be written is told like any other failure, from the loop: an URL without a host.
  if (wire.ok()) {
    http.url = base_url + "/" + wire->path;
    http.method = wire->post ? "POST" : "GET";
    if (wire->signed_by_us) {
      const auto header = signer == nullptr
                              ? Result<std::string>(Error{Errc::Unauthorized, 0, "locked identity"})
                              : authorization(*signer, wire->body);
      if (header.ok()) {
        http.headers.add("Authorization", *header);
      } else {
        http.url.clear();
      }
    }
    http.body = std::move(wire->body);
  }
  http_.send(std::move(http),
             [call, done = std::move(done)](const Result<platform::HttpResponse>& answer) {
               if (!answer.ok()) return done(answer.error());
               done(read_answer(call, answer->status, answer->body));
             });
}

}  // namespace myst::hermes
