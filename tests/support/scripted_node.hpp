// A core::Node that is driven by JSON objects and says in JSON what it wants: what tests/interop
// records of a live peer is given to it again in the unit tests, and must lead to the same bytes.
//
// A transcript is {"setup": {...}, "steps": [...]}: a step with "in" is an input, with its times;
// the steps with "out" that follow are what the node wanted then. Everything random comes from the
// seed of the setup, keys too, so a recording can be decrypted by whoever reads it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/node/node.hpp"
#include "platform/json/json.hpp"
#include "tests/support/support.hpp"

namespace myst::test {

class ScriptedNode {
 public:
  // {"seed", "key", "broker", "chain": {"id", "registry", "hermes", "channel"} | null, "traversal"}
  ScriptedNode(json::Value setup, Now now);
  ScriptedNode(const ScriptedNode&) = delete;
  ScriptedNode& operator=(const ScriptedNode&) = delete;

  // {"in": name, "at": ns, "wall": ms, ...}; aborts on what it does not know.
  void apply(json::Value input);
  // What came of it, in order; the visible ones also as text (see described()).
  std::optional<core::node::Action> poll_action() { return node_->poll_action(); }
  std::optional<core::node::Event> poll_event() { return node_->poll_event(); }
  std::optional<Instant> next_timeout() const { return node_->next_timeout(); }
  bool idle() const { return node_->idle(); }

 private:
  SeededRng rng_;
  std::shared_ptr<const Signer> signer_;
  std::unique_ptr<core::Node> node_;
  core::PriceTable prices_;
};

// {"out": ...}; empty: not for the transcript.
std::string described(const core::node::Action& action);
std::string described(const core::node::Event& event);

// Inputs as text, the reverse of ScriptedNode::apply.
std::string input(Now now, const std::string& name, const std::string& members = {});
std::string done_members(core::node::ActionId id, const Result<core::node::Outcome>& result);

// Feeds a transcript again. Empty: all came out as recorded; else the first difference.
std::string replay(json::Value transcript);

}  // namespace myst::test
