#include "tests/support/scripted_node.hpp"

#include "core/base/text.hpp"
#include "core/market/price.hpp"
#include "drivers/discovery/price_codec.hpp"
#include "drivers/discovery/proposal_codec.hpp"
#include "platform/json/writer.hpp"
#include "tests/support/vectors.hpp"

namespace myst::test {
namespace {

using namespace core::node;
using core::SessionRecord;

Address address_of(json::Value text) {
  const auto address = Address::parse(text.string_or(""));
  if (!address.ok()) vector_error("an address");
  return *address;
}

IpAddress ip_of(json::Value text) {
  const auto ip = IpAddress::parse(text.string_or(""));
  if (!ip.ok()) vector_error("an IP address");
  return *ip;
}

std::vector<Endpoint> endpoints_of(json::Value list) {
  std::vector<Endpoint> out;
  for (const auto item : list) out.push_back(*Endpoint::parse(item.value.string_or("")));
  return out;
}

Now time_of(json::Value input) {
  return {Instant{Duration{*input["at"].i64()}},
          WallTime{std::chrono::milliseconds{*input["wall"].i64()}}};
}

std::uint32_t number(json::Value value) { return static_cast<std::uint32_t>(*value.u64()); }

Result<Outcome> outcome_of(json::Value done, const core::PriceTable& prices) {
  const std::string kind = done["kind"].string_or("");
  if (kind == "error") {
    return Error{static_cast<Errc>(number(done["code"])), 0, "as recorded"};
  }
  if (kind == "done") return Outcome(Done{});
  if (kind == "port") return Outcome(Port{static_cast<std::uint16_t>(number(done["port"]))});
  if (kind == "bytes") return Outcome(bytes_of(done["hex"]));
  if (kind == "facts") {
    return Outcome(NetworkFacts{ip_of(done["ip"]), endpoints_of(done["stun"]),
                                endpoints_of(done["port_check"])});
  }
  if (kind == "ip") return Outcome(ip_of(done["ip"]));
  if (kind == "wei") return Outcome(*U256::parse(done["wei"].string_or("")));
  if (kind == "address") return Outcome(Address::parse_lenient(done["address"].string_or("")));
  if (kind == "counters") {
    return Outcome(TunnelCounters{*done["sent"].u64(), *done["received"].u64()});
  }
  if (kind == "location") {
    const auto proposal = discovery::read_proposal(done["proposal"]);
    return Outcome(proposal->location);
  }
  if (kind == "proposals") {
    auto list = discovery::read_proposal_list(done["text"].string_or(""));
    if (!list.ok()) vector_error("a list of proposals");
    return Outcome(core::with_prices(std::move(*list), prices));
  }
  vector_error("an outcome");
  return Error{};
}

}  // namespace

ScriptedNode::ScriptedNode(json::Value setup, Now now) : rng_(*setup["seed"].u64()) {
  signer_ =
      std::make_shared<LocalSigner>(*LocalSigner::from_key(Secret<32>(array_of<32>(setup["key"]))));
  Config config;
  config.broker_addresses = {setup["broker"].string_or("")};
  const json::Value chain = setup["chain"];
  if (chain.is_object()) {
    config.chain = {true, *chain["id"].u64(), address_of(chain["registry"]),
                    address_of(chain["hermes"]), address_of(chain["channel"])};
  }
  if (setup["traversal"].string_or("") == "manual") config.traversal = {TraversalMethod::Manual};
  config.policy_url = setup["policies"].string_or("");
  if (!config.chain.present) prices_.load_free();
  node_ = std::make_unique<core::Node>(config, rng_, now);
}

void ScriptedNode::apply(json::Value input) {
  const std::string name = input["in"].string_or("");
  const Now now = time_of(input);
  if (name == "unlocked") {
    node_->handle_unlocked(now, signer_);
  } else if (name == "prices") {
    const auto document = discovery::read_prices(input["text"].string_or(""));
    if (!document.ok()) vector_error("a price document");
    core::PriceTable table;
    table.load(*document, now.wall);
    node_->handle_prices(now, table);
    prices_ = table;
  } else if (name == "connect") {
    core::node::ConnectOptions options;
    options.consumer = signer_->address();
    options.filter.provider_ids = {input["provider"].string_or("")};
    options.filter.service_type = "wireguard";
    options.dns.kind = core::node::DnsOption::Kind::Provider;
    if (!node_->connect(now, options).ok()) vector_error("connect");
  } else if (name == "disconnect") {
    (void)node_->disconnect(now, 0);
  } else if (name == "start_service") {
    const auto id = node_->start_service(now, {signer_->address(), "wireguard", {}});
    if (!id.ok()) vector_error("start_service");
  } else if (name == "shutdown") {
    node_->shutdown(now);
  } else if (name == "done") {
    node_->handle_action_done(now, *input["id"].u64(), outcome_of(input, prices_));
  } else if (name == "datagram") {
    node_->handle_datagram(now, number(input["socket"]),
                           *Endpoint::parse(input["from"].string_or("")), bytes_of(input["hex"]));
  } else if (name == "broker_connected") {
    node_->handle_broker_connected(now);
  } else if (name == "broker_lost") {
    node_->handle_broker_lost(now);
  } else if (name == "broker_message") {
    node_->handle_broker_message(now, number(input["broker"]), number(input["tag"]),
                                 input["reply"].string_or(""), bytes_of(input["hex"]));
  } else if (name == "tunnel_up") {
    node_->handle_tunnel_up(now, number(input["tunnel"]));
  } else if (name == "counters") {
    node_->handle_tunnel_counters(now, number(input["tunnel"]),
                                  {*input["sent"].u64(), *input["received"].u64()});
  } else if (name == "timeout") {
    node_->handle_timeout(now);
  } else {
    vector_error("an input: " + name);
  }
}

std::string input(Now now, const std::string& name, const std::string& members) {
  std::string out;
  json::Writer(out)
      .begin_object()
      .member("in", name)
      .member("at", now.instant.time_since_epoch().count())
      .member("wall", now.wall.time_since_epoch().count())
      .end_object();
  if (!members.empty()) {
    out.pop_back();
    out += "," + members + "}";
  }
  return out;
}

namespace {

// The members of an object, without its braces.
class Members {
 public:
  Members() { writer_.begin_object(); }
  explicit Members(const char* out) : Members() { (*this)("out", out); }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;
  template <typename T>
  Members& operator()(std::string_view name, const T& value) {
    writer_.member(name, value);
    return *this;
  }
  Members& list(std::string_view name, const std::vector<Endpoint>& endpoints) {
    writer_.key(name).begin_array();
    for (const Endpoint& one : endpoints) writer_.value(one.to_string());
    writer_.end_array();
    return *this;
  }
  Members& raw(std::string_view name, std::string_view json) {
    writer_.key(name).raw(json);
    return *this;
  }
  std::string object() {
    writer_.end_object();
    return text_;
  }
  std::string inner() {
    object();
    return text_.substr(1, text_.size() - 2);
  }

 private:
  std::string text_;
  json::Writer writer_{text_};
};

Members out(const char* name) { return Members(name); }

}  // namespace

std::string done_members(ActionId id, const Result<Outcome>& result) {
  Members m;
  m("id", id);
  if (!result.ok()) {
    return m("kind", "error")("code", static_cast<unsigned>(result.error().code)).inner();
  }
  struct Write {
    Members& m;
    void operator()(const Done&) { m("kind", "done"); }
    void operator()(const Port& v) { m("kind", "port")("port", v.value); }
    void operator()(const Bytes& v) { m("kind", "bytes")("hex", to_hex(v)); }
    void operator()(const NetworkFacts& v) {
      m("kind", "facts")("ip", v.public_ip.to_string());
      m.list("stun", v.stun_servers).list("port_check", v.port_check_servers);
    }
    void operator()(const IpAddress& v) { m("kind", "ip")("ip", v.to_string()); }
    void operator()(const core::ProposalLocation& v) {
      core::Proposal carrier;
      carrier.location = v;
      m("kind", "location").raw("proposal", discovery::proposal_json(carrier));
    }
    void operator()(const ProposalList&) { vector_error("a list is recorded as its text"); }
    void operator()(const Wei& v) { m("kind", "wei")("wei", v.to_string()); }
    void operator()(const Address& v) { m("kind", "address")("address", v.to_string()); }
    void operator()(const TunnelCounters& v) {
      m("kind", "counters")("sent", v.sent_bytes)("received", v.received_bytes);
    }
  };
  std::visit(Write{m}, *result);
  return m.inner();
}

namespace {

struct DescribeAction {
  std::string operator()(const UdpSend& a) {
    return out("udp")("socket", a.socket)("to", a.to.to_string())("ttl", a.ttl)("hex",
                                                                                to_hex(a.bytes))
        .object();
  }
  std::string operator()(const BrokerSubscribe& a) {
    return out("subscribe")("broker", a.broker)("tag", a.tag)("subject", a.subject).object();
  }
  std::string operator()(const BrokerPublish& a) {
    return out("publish")("subject", a.subject)("hex", to_hex(a.payload)).object();
  }
  std::string operator()(const BrokerRequest& a) {
    return out("request")("id", a.id)("subject", a.subject)("hex", to_hex(a.payload)).object();
  }
  std::string operator()(const PublishProposal& a) {
    return out("proposal")("id", a.id)("topic", a.topic)("text",
                                                         discovery::proposal_message(a.proposal))
        .object();
  }
  std::string operator()(const ServiceTunnelOpen& a) {
    return out("service_tunnel")("id", a.id)("network", a.network.to_string())(
               "address", a.address.to_string())("peer", to_hex(a.peer))
        .object();
  }
  std::string operator()(const ConsumerTunnelOpen& a) {
    return out("consumer_tunnel")("id", a.id)("address", a.address.to_string())(
               "peer", to_hex(a.peer))("endpoint", a.endpoint.to_string())(
               "dns", a.dns.empty() ? "" : a.dns.front().to_string())
        .object();
  }
  std::string operator()(const StorePayment& a) {
    return out("payment")("id", a.id)("total", a.record.total.to_string())(
               "grand_total", a.grand_total.to_string())("message", to_hex(a.record.message))
        .object();
  }
  std::string operator()(const StoreInvoice& a) {
    return out("invoice")("id", a.id)("total", a.record.total.to_string())(
               "hashlock", to_hex(a.record.hashlock))
        .object();
  }
  std::string operator()(const StoreAccepted& a) {
    return out("accepted")("id", a.id)("total", a.record.total.to_string())(
               "message", to_hex(a.record.message))
        .object();
  }
  std::string operator()(const RequestPromise& a) {
    return out("promise")("id", a.id)("message", to_hex(a.exchange_message)).object();
  }
  template <typename T>
  std::string operator()(const T&) {
    return {};
  }
};

struct DescribeEvent {
  std::string operator()(const ConnectDone& e) {
    return out("connected")("ok", !e.error.has_value())("reason", e.reason).object();
  }
  std::string operator()(const ConnectionChanged& e) {
    return out("state")("state", to_string(e.state))("reason", e.reason).object();
  }
  std::string operator()(const SessionCreated& e) {
    return out("session")("consumer", e.session.consumer.to_string()).object();
  }
  std::string operator()(const SessionAcknowledged&) { return out("acknowledged").object(); }
  std::string operator()(const SessionRemoved& e) {
    return out("session_end")("reason", e.reason).object();
  }
  std::string operator()(const SessionRefused& e) {
    return out("refused")("reason", e.reason).object();
  }
  std::string operator()(const SessionTokens& e) {
    return out("earned")("total", e.total.to_string()).object();
  }
  std::string operator()(const InvoicePaid& e) {
    return out("paid")("total", e.agreement_total.to_string()).object();
  }
  std::string operator()(const ConnectivityReported& e) {
    return out("report")("code", e.report.code)("peer", e.report.peer.to_string()).object();
  }
  std::string operator()(const KeepAlive& e) {
    return out("keepalive")("provider", e.provider)("answered", e.answered).object();
  }
  template <typename T>
  std::string operator()(const T&) {
    return {};
  }
};

}  // namespace

std::string described(const Action& action) { return std::visit(DescribeAction{}, action); }
std::string described(const Event& event) { return std::visit(DescribeEvent{}, event); }

std::string replay(json::Value transcript) {
  std::unique_ptr<ScriptedNode> node;
  std::vector<std::string> wanted;  // what the last input led to, still to be compared
  std::size_t at = 0, step_number = 0;
  const auto left = [&]() -> std::string {
    return at < wanted.size() ? "not recorded: " + wanted[at] : std::string();
  };
  for (const auto item : transcript["steps"]) {
    const json::Value step = item.value;
    const std::string where = "step " + std::to_string(step_number++) + ": ";
    if (!step["in"].exists()) {
      if (at == wanted.size()) return where + "missing: " + step.to_text();
      const auto ours = json::Document::parse(wanted[at]);
      if (ours->root().to_text() != step.to_text()) {
        return where + "wanted " + step.to_text() + ", got " + wanted[at];
      }
      ++at;
      continue;
    }
    if (const std::string more = left(); !more.empty()) return where + more;
    if (node == nullptr) node = std::make_unique<ScriptedNode>(transcript["setup"], time_of(step));
    node->apply(step);
    wanted.clear();
    at = 0;
    while (auto action = node->poll_action()) {
      if (auto text = described(*action); !text.empty()) wanted.push_back(std::move(text));
    }
    while (auto event = node->poll_event()) {
      if (auto text = described(*event); !text.empty()) wanted.push_back(std::move(text));
    }
  }
  return left();
}

}  // namespace myst::test
