#include "drivers/rest/events.hpp"

#include <algorithm>

#include "drivers/rest/contract.hpp"

namespace myst::rest {
namespace {

// The reference waits for a pause of this length; here the first change starts the wait and later
// ones ride along, so that steady traffic is shown too.
constexpr auto kDebounce = std::chrono::milliseconds{200};
constexpr auto kRetry = std::chrono::seconds{1};  // for clients that read too slowly

}  // namespace

std::string state_message(const NodeState& state) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("payload");
  write_state(out, state);
  out.member("type", "state-change").end_object();
  escape_for_html(body);
  return "data: " + body + "\n\n";
}

EventStreams::EventStreams(platform::Loop& loop, NodeApi& node)
    : node_(&node), timer_(loop, [this] { announce(); }) {}

EventStreams::~EventStreams() { stop(); }

void EventStreams::add(const ExchangePtr& exchange) {
  const auto closed = [](const Client& client) { return client.stream->closed(); };
  clients_.erase(std::remove_if(clients_.begin(), clients_.end(), closed), clients_.end());
  if (clients_.size() == kMaxClients) {
    exchange->fail({503, "unavailable", "Too many event streams are open"});
    return;
  }
  auto stream = exchange->open_stream();
  if (stream == nullptr) return;
  const bool taken = stream->write(state_message(node_->state()));
  clients_.push_back({std::move(stream), !taken});
  if (!watching_ && node_->config().flag("sse.enable")) {
    watching_ = true;
    node_->watch_state([this] { changed(); });
  }
}

void EventStreams::stop() {
  timer_.cancel();
  if (watching_) node_->watch_state({});
  watching_ = false;
  std::vector<Client> clients;
  clients.swap(clients_);
  for (Client& client : clients) client.stream->close();
}

void EventStreams::changed() {
  for (Client& client : clients_) client.outdated = true;
  if (!timer_.armed()) timer_.arm_in(kDebounce);
}

void EventStreams::announce() {
  const auto closed = [](const Client& client) { return client.stream->closed(); };
  clients_.erase(std::remove_if(clients_.begin(), clients_.end(), closed), clients_.end());
  if (clients_.empty()) {
    // Nobody listens: the node stops reporting, and nothing wakes the loop.
    if (watching_) node_->watch_state({});
    watching_ = false;
    return;
  }
  std::string message;  // made for the first client with room
  bool behind = false;
  for (Client& client : clients_) {
    if (!client.outdated || !client.stream->ready()) {
      behind = behind || client.outdated;
      continue;
    }
    if (message.empty()) message = state_message(node_->state());
    client.outdated = !client.stream->write(message);
    behind = behind || client.outdated;
  }
  if (behind) timer_.arm_in(kRetry);
}

}  // namespace myst::rest
