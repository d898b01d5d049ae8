#include "apps/myst/network_join.hpp"

#include <utility>

#include "drivers/discovery/network_codec.hpp"
#include "platform/log/log.hpp"
#include "platform/system/files.hpp"

namespace myst::app {
namespace {

constexpr std::size_t kMaxDocument = 64 * 1024;
constexpr Duration kFirstTry = std::chrono::seconds(2);
constexpr Duration kPause = std::chrono::seconds(3);

// One question to the hub, waited for.
Result<std::string> ask(platform::Loop& loop, platform::HttpClient& http, const std::string& url) {
  std::optional<Result<platform::HttpResponse>> answer;
  platform::HttpClient::Call call;
  call.url = url;
  call.timeout = kFirstTry;
  call.max_response_bytes = kMaxDocument;
  const auto id = http.send(std::move(call), [&answer](Result<platform::HttpResponse> response) {
    answer.emplace(std::move(response));
  });
  (void)loop.run_until([&answer] { return answer.has_value(); },
                       kFirstTry + std::chrono::seconds(1));
  http.cancel(id);
  if (!answer) return Error{Errc::Timeout, 0, "the hub does not answer"};
  if (!answer->ok()) return answer->error();
  if ((*answer)->status != 200) {
    return Error{Errc::Rejected, (*answer)->status, "the hub has no network document there"};
  }
  return std::move((*answer)->body);
}

}  // namespace

std::optional<core::NetworkDocument> join_network(platform::Loop& loop, platform::HttpClient& http,
                                                  const std::string& hub_url,
                                                  const std::string& cache_path,
                                                  const std::function<bool()>& stopped) {
  const auto url = discovery::network_document_url(hub_url);
  if (!url.ok()) {
    log::error("--network is no URL of a hub", "network", hub_url, "why", url.error().what);
    return std::nullopt;
  }
  for (bool first = true; !stopped(); first = false) {
    const auto text = ask(loop, http, *url);
    if (text.ok()) {
      auto document = discovery::read_network_document(*text);
      if (!document.ok()) {
        log::error("what the hub serves is no network document", "url", *url, "why",
                   document.error().what);
        return std::nullopt;
      }
      (void)platform::write_file_atomically(cache_path, *text, 0600);
      return std::move(*document);
    }
    if (first) {
      const auto kept = platform::read_file(cache_path, kMaxDocument);
      if (kept.ok()) {
        auto document = discovery::read_network_document(*kept);
        if (document.ok()) {
          log::warn("the hub is away, going on with what it said last time", "url", *url, "why",
                    text.error().what);
          return std::move(*document);
        }
      }
    }
    log::warn("the hub is away and was never seen; trying again every few seconds", "url", *url,
              "why", text.error().what);
    (void)loop.run_until(stopped, kPause);
  }
  return std::nullopt;
}

}  // namespace myst::app
