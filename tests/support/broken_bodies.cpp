#include "tests/support/broken_bodies.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

#include "platform/json/json.hpp"
#include "platform/json/writer.hpp"

namespace myst::test {
namespace {

// JSON text of a body in which the member at `path` is something else; nullopt: it is left out.
void rewrite(json::Writer& out, json::Value value, const std::string& here, const std::string& path,
             const std::optional<std::string>& instead) {
  if (!value.is_object()) {
    out.value(value);
    return;
  }
  out.begin_object();
  for (const auto& [name, member] : value) {
    const std::string at = here + "/" + std::string(name);
    if (at == path) {
      if (instead) out.key(name).raw(*instead);
      continue;
    }
    out.key(name);
    rewrite(out, member, at, path, instead);
  }
  out.end_object();
}

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

// `free`: whatever fits its type is served, nobody signed it.
std::vector<std::pair<std::string, std::string>> replacements(json::Value value, bool free) {
  std::vector<std::pair<std::string, std::string>> out = {{"array", "[1]"}, {"true", "true"}};
  if (value.is_object()) {
    out.insert(out.end(), {{"number", "7"}, {"text", "\"x\""}, {"null", "null"}, {"empty", "{}"}});
    return out;
  }
  out.emplace_back("object", "{\"a\":1}");
  if (value.is_number()) {
    out.insert(out.end(), {{"quoted", in_quotes(value.to_text())},
                           {"negative", "-1"},
                           {"fraction", "1.5"},
                           {"exponent", "1e3"},
                           {"hex", "\"0x10\""},
                           {"two to the 256",
                            "115792089237316195423570985008687907853269984665640564039457584"
                            "007913129639936"},
                           {"hundred digits", "1" + std::string(99, '0')}});
    if (!free) {
      out.insert(out.end(), {{"null", "null"},
                             {"other", "424242"},
                             {"two to the 64", "18446744073709551616"},
                             {"two to the 256 less one",
                              "11579208923731619542357098500868790785326998466564"
                              "0564039457584007913129639935"}});
    }
    return out;
  }
  if (!value.is_string()) {
    out.emplace_back("number", "7");
    return out;
  }
  const std::string text = value.string_or("");
  out.insert(out.end(), {{"number", "7"},
                         {"one less", in_quotes(text.substr(0, text.size() - 1))},
                         {"no digit", in_quotes("0xz!" + text.substr(4))},
                         {"nul", in_quotes(text.substr(0, text.size() - 1) + "\\u0000")},
                         {"not UTF-8", in_quotes(text.substr(0, text.size() - 1) + "\xff")},
                         {"long", in_quotes(std::string(100000, 'a'))}});
  if (!free) {
    std::string other = text;
    char& digit = other[other.size() - 6];
    digit = digit == '0' ? '1' : '0';
    out.insert(out.end(), {{"null", "null"},
                           {"nothing", "\"\""},
                           {"one more", in_quotes(text + "0")},
                           {"two more", in_quotes(text + "00")},
                           {"another", in_quotes(other)}});
  }
  return out;
}

void break_members(json::Value root, json::Value value, const std::string& here,
                   const std::set<std::string>& free, std::vector<Broken>& out) {
  for (const auto& [name, member] : value) {
    const std::string path = here + "/" + std::string(name);
    const bool is_free = free.count(path) != 0 || member.is_null();
    auto with = replacements(member, is_free);
    const auto add = [&](const std::string& what, const std::optional<std::string>& instead) {
      std::string body;
      json::Writer writer(body);
      rewrite(writer, root, "", path, instead);
      out.push_back({path + ": " + what, std::move(body)});
    };
    if (!is_free) add("missing", std::nullopt);
    for (const auto& [what, instead] : with) add(what, instead);
    if (member.is_object()) break_members(root, member, path, free, out);
  }
}

}  // namespace

std::vector<Broken> broken(const std::string& body, const std::set<std::string>& free) {
  std::vector<Broken> out = {
      {"nothing", ""},
      {"no JSON", "x"},
      {"open", "{"},
      {"array", "[]"},
      {"null", "null"},
      {"number", "7"},
      {"text", "\"\""},
      {"empty", "{}"},
      {"array of it", "[" + body + "]"},
      {"half", body.substr(0, body.size() / 2)},
      {"and more", body + "}"},
      {"twice", body + body},
      {"deep", std::string(5000, '[')},
      {"deep object", "{\"a\":" + std::string(200, '[') + std::string(200, ']') + "}"},
      {"not UTF-8", "{\"\xff\":1}"},
      {"form", "identity=0x1&amount=1"},
      {"too long", std::string(200000, ' ') + body}};
  const auto document = json::Document::parse(body);
  EXPECT_TRUE(document.ok()) << body;
  if (document.ok()) break_members(document->root(), document->root(), "", free, out);
  return out;
}

}  // namespace myst::test
