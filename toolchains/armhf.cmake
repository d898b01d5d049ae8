# Cross build for Debian armhf: Debian's cross compiler against the sysroot made by toolchains/sysroot.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(MYST_TRIPLE arm-linux-gnueabihf)
set(MYST_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/armhf)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
# No notes about an ABI change of gcc 7.1, which everything here is built after; and this gcc takes
# the members of a variant that it does not hold for uninitialised ones.
string(APPEND CMAKE_CXX_FLAGS_INIT " -Wno-psabi -Wno-maybe-uninitialized")
