# Cross build for Debian arm64: Debian's cross compiler against the sysroot made by toolchains/sysroot.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(MYST_TRIPLE aarch64-linux-gnu)
set(MYST_SYSROOT ${CMAKE_CURRENT_LIST_DIR}/../build/sysroot/arm64)
include(${CMAKE_CURRENT_LIST_DIR}/cross.cmake)
