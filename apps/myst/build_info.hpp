// Which build this is, from the environment of the build: BUILD_VERSION, BUILD_COMMIT,
// BUILD_BRANCH, BUILD_NUMBER.
#pragma once

#include <string>

namespace myst::app {

struct Build {
  std::string version;  // the release; else "source." and 8 characters of the commit; else
                        // "source.dev-build"
  std::string commit, branch, number;
};
const Build& build();

}  // namespace myst::app
