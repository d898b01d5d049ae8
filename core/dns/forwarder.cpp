#include "core/dns/forwarder.hpp"

#include <algorithm>
#include <utility>

namespace myst::core::dns {

void Forwarder::trim_upstreams() {
  if (config_.upstreams.size() > kMaxUpstreams) config_.upstreams.resize(kMaxUpstreams);
}

void Forwarder::set_upstreams(std::vector<Endpoint> upstreams) {
  config_.upstreams = std::move(upstreams);
  trim_upstreams();
}

Status Forwarder::handle_query(Instant now, const Client& client, ByteSpan query) {
  MYST_TRY_ASSIGN(const Header header, parse_header(query));
  if (header.response || header.opcode != 0) return Error{Errc::Rejected, 0, "not a DNS query"};
  MYST_TRY_ASSIGN(Question question, parse_question(query));
  std::size_t of_client = 0;
  for (const auto& [ticket, pending] : pending_) {
    const Client& other = pending.client;
    if (other.endpoint.ip != client.endpoint.ip) continue;
    ++of_client;
    // Repeated because our answer takes long: it will be answered once.
    if (other.endpoint == client.endpoint && other.connection == client.connection &&
        pending.query.size() == query.size() &&
        std::equal(query.begin(), query.end(), pending.query.begin())) {
      return {};
    }
  }
  if (pending_.size() >= kMaxInFlight || of_client >= kMaxInFlightOfClient) {
    return Error{Errc::Full, 0, "DNS queries in flight"};
  }
  const std::uint32_t ticket = next_ticket_++;
  Pending& pending = pending_[ticket];
  pending.client = client;
  pending.query = to_bytes(query);
  pending.question = std::move(question);
  pending.upstreams = config_.upstreams;
  ask_next(now, ticket, pending);
  return {};
}

bool Forwarder::id_in_use(std::uint16_t id) const {
  return std::any_of(pending_.begin(), pending_.end(), [id](const auto& entry) {
    return entry.second.asked && entry.second.id == id;
  });
}

void Forwarder::ask_next(Instant now, std::uint32_t ticket, Pending& pending) {
  if (pending.next_upstream >= pending.upstreams.size()) {
    finish_with(ticket, Rcode::ServerFailure);
    return;
  }
  const Endpoint upstream = pending.upstreams[pending.next_upstream++];
  pending.asked.reset();
  do {
    pending.id = static_cast<std::uint16_t>(rng_.below(0x10000));
  } while (id_in_use(pending.id));  // at most kMaxInFlight of 65,536 are
  pending.tcp = false;
  pending.asked = upstream;
  pending.give_up_at = now + config_.upstream_timeout;
  Bytes message = pending.query;
  set_id(message, pending.id);
  push(SendQuery{ticket, upstream, std::move(message)});
}

Status Forwarder::handle_answer(Instant now, const Endpoint& upstream, ByteSpan answer) {
  MYST_TRY_ASSIGN(const Header header, parse_header(answer));
  if (!header.response) return Error{Errc::Malformed, 0, "not a DNS answer"};
  const auto found = std::find_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
    return entry.second.asked && *entry.second.asked == upstream && entry.second.id == header.id;
  });
  if (found == pending_.end()) return Error{Errc::NotFound, header.id, "DNS answer to no query"};
  Pending& pending = found->second;
  const auto question = parse_question(answer);
  if (question.ok() ? !(*question == pending.question) : header.questions != 0) {
    return Error{Errc::NotFound, header.id, "DNS answer to another question"};
  }
  accept(now, found->first, pending, answer);
  return {};
}

void Forwarder::accept(Instant now, std::uint32_t ticket, Pending& pending, ByteSpan answer) {
  const Header header = *parse_header(answer);
  if (header.rcode == Rcode::ServerFailure || header.rcode == Rcode::Refused) {
    ask_next(now, ticket, pending);
    return;
  }
  if (header.truncated && !pending.tcp && pending.client.connection != 0) {
    // A client that asked by TCP wants it whole.
    pending.tcp = true;
    pending.give_up_at = now + config_.upstream_timeout;
    Bytes message = pending.query;
    set_id(message, pending.id);
    push(SendQueryTcp{ticket, *pending.asked, std::move(message)});
    return;
  }
  Bytes out = to_bytes(answer);
  set_id(out, parse_header(pending.query)->id);
  if (config_.policy.has_rules()) {
    std::vector<AddressRecord> opened;
    auto records = parse_addresses(answer);
    if (records.ok()) {
      for (AddressRecord& record : *records) {
        // Only IPv4 leaves a session, so only IPv4 is opened.
        if (record.address.is_v4() && config_.policy.allows(record.name)) {
          opened.push_back(std::move(record));
        }
      }
    }
    if (!opened.empty()) {
      pending.asked.reset();
      pending.answer = std::move(out);
      pending.give_up_at = now + config_.upstream_timeout;
      push(OpenDestinations{ticket, std::move(opened)});
      return;
    }
  }
  finish(ticket, std::move(out));
}

void Forwarder::handle_failure(Instant now, std::uint32_t ticket) {
  const auto found = pending_.find(ticket);
  if (found == pending_.end() || !found->second.asked) return;
  ask_next(now, ticket, found->second);
}

void Forwarder::handle_opened(std::uint32_t ticket, bool opened) {
  const auto found = pending_.find(ticket);
  if (found == pending_.end() || found->second.asked) return;
  if (opened) {
    finish(ticket, std::move(found->second.answer));
  } else {
    // As the reference: a name that cannot be opened does not exist.
    finish_with(ticket, Rcode::NoSuchName);
  }
}

void Forwarder::handle_timeout(Instant now) {
  for (auto it = pending_.begin(); it != pending_.end();) {
    const std::uint32_t ticket = it->first;
    Pending& pending = it->second;
    ++it;  // finishing erases
    if (now < pending.give_up_at) continue;
    if (pending.asked) {
      ask_next(now, ticket, pending);
    } else {
      finish_with(ticket, Rcode::NoSuchName);
    }
  }
}

void Forwarder::finish_with(std::uint32_t ticket, Rcode rcode) {
  auto answer = make_error_answer(pending_.at(ticket).query, rcode);
  // The question parsed when the query came in.
  finish(ticket, answer.ok() ? *std::move(answer) : Bytes{});
}

void Forwarder::finish(std::uint32_t ticket, Bytes answer) {
  const auto found = pending_.find(ticket);
  if (!answer.empty()) push(SendAnswer{ticket, found->second.client, std::move(answer)});
  pending_.erase(found);
}

void Forwarder::push(Action action) {
  // Drained after each input; an owner that does not loses answers, not memory.
  if (actions_.size() < kMaxActions) actions_.push_back(std::move(action));
}

std::optional<Forwarder::Action> Forwarder::poll_action() {
  std::optional<Action> action;
  if (actions_.empty()) return action;
  action.emplace(std::move(actions_.front()));
  actions_.pop_front();
  return action;
}

std::optional<Instant> Forwarder::next_timeout() const {
  std::optional<Instant> next;
  for (const auto& [ticket, pending] : pending_) next = earliest(next, pending.give_up_at);
  return next;
}

}  // namespace myst::core::dns
