#include "apps/myst/build_info.hpp"

#ifndef MYST_BUILD_VERSION
#define MYST_BUILD_VERSION ""
#endif
#ifndef MYST_BUILD_COMMIT
#define MYST_BUILD_COMMIT ""
#endif
#ifndef MYST_BUILD_BRANCH
#define MYST_BUILD_BRANCH ""
#endif
#ifndef MYST_BUILD_NUMBER
#define MYST_BUILD_NUMBER ""
#endif

namespace myst::app {

const Build& build() {
  static const Build kBuild = [] {
    Build info{MYST_BUILD_VERSION, MYST_BUILD_COMMIT, MYST_BUILD_BRANCH, MYST_BUILD_NUMBER};
    if (info.version.empty()) {
      info.version =
          info.commit.empty() ? "source.dev-build" : "source." + info.commit.substr(0, 8);
    }
    if (info.branch.empty()) info.branch = "<unknown>";
    if (info.number.empty()) info.number = "dev-build";
    return info;
  }();
  return kBuild;
}

}  // namespace myst::app
