# Third parties, all from the distribution. Each becomes one target `dep_<name>`.
find_package(PkgConfig REQUIRED)
foreach(pair uv:libuv secp256k1:libsecp256k1 cjson:libcjson sqlite3:sqlite3 nl3:libnl-3.0
        nl_route:libnl-route-3.0 nl_genl:libnl-genl-3.0 sodium:libsodium crypto:libcrypto)
  string(REPLACE ":" ";" parts ${pair})
  list(GET parts 0 name)
  list(GET parts 1 module)
  pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
  add_library(dep_${name} ALIAS PkgConfig::${name})
endforeach()

# libcrypto is loaded by core/crypto/libcrypto.cpp when the first tunnel needs it.
add_library(dep_crypto_headers INTERFACE)
target_include_directories(dep_crypto_headers SYSTEM INTERFACE ${crypto_INCLUDE_DIRS})

# Debian 12 ships neither a pkg-config file nor a CMake package for these.
function(myst_plain_dependency name header)
  add_library(dep_${name} INTERFACE)
  find_path(${name}_INCLUDE ${header} REQUIRED)
  foreach(library ${ARGN})
    find_library(${library}_LIBRARY ${library} REQUIRED)
    target_link_libraries(dep_${name} INTERFACE ${${library}_LIBRARY})
  endforeach()
  target_include_directories(dep_${name} SYSTEM INTERFACE ${${name}_INCLUDE})
endfunction()
myst_plain_dependency(mbedtls mbedtls/ssl.h mbedtls mbedx509 mbedcrypto)
myst_plain_dependency(http_parser http_parser.h http_parser)
myst_plain_dependency(crypt crypt.h crypt)
