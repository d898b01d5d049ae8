#include "apps/myst/cli/texts.hpp"

#include "apps/myst/build_info.hpp"
#include "core/config/flags.hpp"

namespace myst::app {

std::string license_text() {
  return "This program comes with ABSOLUTELY NO WARRANTY; for details run command "
         "'license --warranty'.\n"
         "This is free software, and you are welcome to redistribute it under certain conditions; "
         "for details\nrun command 'license --conditions'.\n";
}

std::string version_text() {
  const Build& info = build();
  return "Mysterium Node (myst)\n  Version: " + info.version +
         "\n  Build info: Branch: " + info.branch + ". Build id: " + info.number +
         ". Commit: " + info.commit + "\n\n" + license_text();
}

std::string warranty_text() {
  return "THERE IS NO WARRANTY FOR THE PROGRAM, TO THE EXTENT PERMITTED BY APPLICABLE LAW. EXCEPT "
         "WHEN OTHERWISE\nSTATED IN WRITING THE COPYRIGHT HOLDERS AND/OR OTHER PARTIES PROVIDE THE "
         "PROGRAM \"AS IS\" WITHOUT WARRANTY\nOF ANY KIND, EITHER EXPRESSED OR IMPLIED, INCLUDING, "
         "BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF\nMERCHANTABILITY AND FITNESS FOR A "
         "PARTICULAR "
         "PURPOSE. THE ENTIRE RISK AS TO THE QUALITY AND PERFORMANCE\nOF THE PROGRAM IS WITH YOU. "
         "SHOULD THE PROGRAM PROVE DEFECTIVE, YOU ASSUME THE COST OF ALL NECESSARY\nSERVICING, "
         "REPAIR "
         "OR CORRECTION.\n";
}

std::string conditions_text() {
  return "You may run this program for any purpose. You may copy, change and redistribute it under "
         "the terms of the\nGNU General Public License as published by the Free Software "
         "Foundation, "
         "version 3 or later: whoever gets\nit from you gets the source text and the same rights. "
         "The "
         "full terms: https://www.gnu.org/licenses/gpl-3.0.html\n";
}

std::string program_help() {
  std::string out =
      "NAME:\n   myst - node of the Mysterium network\n\n"
      "USAGE:\n   myst [global options] command [command options] [arguments...]\n\n"
      "VERSION:\n   " +
      build().version +
      "\n\nCOMMANDS:\n"
      "   daemon      run the node for consumers\n"
      "   service     run the node as provider\n"
      "   cli         prompt for a running node, or one command of it\n"
      "   account     identity and money of a running node\n"
      "   connection  connect a running node to a provider\n"
      "   config      configuration of a running node\n"
      "   reset       reset the password of a running node\n"
      "   wireguard   run a WireGuard device without a node\n"
      "   version     print the version\n"
      "   license     print the license\n"
      "   help, h     print this help, or that of a command\n\n"
      "GLOBAL OPTIONS:\n";
  return out +
         core::describe_flags({core::ConfigKey::kGlobal, {}, true}, core::NetworkKind::Mainnet);
}

}  // namespace myst::app
