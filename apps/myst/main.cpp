#include <string>
#include <vector>

#include "apps/myst/commands.hpp"
#include "apps/myst/run_node.hpp"
#include "drivers/wireguard/device.hpp"

namespace {

int run_wireguard(const std::vector<std::string>& words) {
  std::vector<std::string> kept = {"wireguard"};
  kept.insert(kept.end(), words.begin(), words.end());
  std::vector<char*> arguments;
  for (std::string& word : kept) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  return myst::wireguard::wireguard_main(static_cast<int>(kept.size()), arguments.data());
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  myst::app::Programs programs;
  programs.run_node = myst::app::run_node;
  programs.wireguard = run_wireguard;
  return myst::app::run_command_line(words, programs);
}
