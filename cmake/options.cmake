# Compiler flags of the whole tree. Warnings are errors; release builds are hardened.
add_library(myst_options INTERFACE)
target_include_directories(myst_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR}/generated)
target_compile_options(myst_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Werror -fno-rtti
  -ffunction-sections -fdata-sections -fstack-protector-strong
  -ffile-prefix-map=${PROJECT_SOURCE_DIR}/=)  # no path of the building machine in programs
target_link_options(myst_options INTERFACE -Wl,--gc-sections)
# 64-bit sizes and inode numbers on 32-bit systems: stat() fails there otherwise on large disks.
target_compile_definitions(myst_options INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64)

if(CMAKE_BUILD_TYPE STREQUAL "Release")
  target_compile_definitions(myst_options INTERFACE _FORTIFY_SOURCE=2)
  target_compile_options(myst_options INTERFACE -fPIE)
  target_link_options(myst_options INTERFACE -pie -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64")
    target_compile_options(myst_options INTERFACE -fcf-protection -fstack-clash-protection)
  endif()
endif()
if(MYST_SANITIZE)
  add_compile_options(-fsanitize=${MYST_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${MYST_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # gcc's flow analysis does not see through the checks that sanitizers add.
    add_compile_options(-Wno-maybe-uninitialized)
  endif()
endif()
if(MYST_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# Builds that only run tests share parsed headers of the standard library; debug and release do
# without, so that a missing #include is seen.
option(MYST_PCH "precompile the headers everybody uses" OFF)
set(myst_pch_headers <algorithm> <array> <chrono> <cstdint> <cstring> <functional> <map> <memory>
  <optional> <string> <string_view> <utility> <variant> <vector>)
function(myst_precompile target)
  if(MYST_PCH)
    target_precompile_headers(${target} PRIVATE ${myst_pch_headers} ${ARGN})
  endif()
endfunction()

# Test builds link dozens of programs.
if((MYST_TESTS OR MYST_FUZZ) AND NOT CMAKE_CROSSCOMPILING)
  find_program(MYST_MOLD mold)
  if(MYST_MOLD)
    add_link_options(-fuse-ld=mold)
  endif()
endif()

find_program(MYST_CCACHE ccache)
if(MYST_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${MYST_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${MYST_CCACHE})
endif()
