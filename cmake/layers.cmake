# One static library per layer folder. A folder's sources are globbed, so adding a file needs no
# edit here; adding a dependency to a folder does, in the table of myst_layers().
function(myst_library name folder)
  cmake_parse_arguments(arg "NO_EXCEPTIONS" "" "DEPS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
  foreach(excluded ${arg_UNPARSED_ARGUMENTS})
    list(FILTER sources EXCLUDE REGEX "${PROJECT_SOURCE_DIR}/${excluded}/")
  endforeach()
  if(NOT sources)
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE myst_options ${arg_DEPS})
    return()
  endif()
  # Release builds are for size (memory is what boards lack); what runs per packet, per promise or
  # per proposal is for speed.
  set(hot ${sources})
  list(FILTER hot INCLUDE REGEX "/(core/(base|crypto|hub|payment|wire|wireguard)|drivers/wireguard)/")
  if(CMAKE_BUILD_TYPE STREQUAL "Release")
    set_source_files_properties(${hot} PROPERTIES COMPILE_OPTIONS -O2 SKIP_PRECOMPILE_HEADERS ON)
  endif()
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC myst_options ${arg_DEPS})
  if(arg_NO_EXCEPTIONS)
    target_compile_options(${name} PRIVATE -fno-exceptions)
  endif()
  myst_precompile(${name})
endfunction()

# Order is the layering: a library may only name those above it.
function(myst_layers)
  # core/crypto is the one folder of core that sees crypto libraries.
  myst_library(myst_crypto core/crypto NO_EXCEPTIONS DEPS dep_sodium dep_secp256k1 dep_mbedtls dep_crypto_headers ${CMAKE_DL_LIBS})
  myst_library(myst_core core core/crypto NO_EXCEPTIONS DEPS myst_crypto)
  myst_library(myst_platform platform NO_EXCEPTIONS
    DEPS myst_core dep_uv dep_mbedtls dep_http_parser dep_cjson dep_nl_route dep_nl_genl dep_nl3)
  # Each driver folder: a library myst_driver_<name>; what it links beyond platform stands here.
  set(driver_deps_storage dep_sqlite3)
  set(driver_deps_discovery dep_cjson dep_sqlite3)
  set(driver_deps_rest dep_cjson dep_crypt)
  set(driver_deps_nats dep_cjson)
  set(driver_deps_hermes dep_cjson)
  set(driver_deps_transactor dep_cjson)
  set(driver_deps_ethereum dep_cjson)
  set(driver_deps_wireguard dep_cjson dep_nl_genl)
  file(GLOB drivers RELATIVE ${PROJECT_SOURCE_DIR}/drivers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/drivers/*)
  foreach(driver ${drivers})
    myst_library(myst_driver_${driver} drivers/${driver} NO_EXCEPTIONS
      DEPS myst_platform ${driver_deps_${driver}})
    list(APPEND all myst_driver_${driver})
  endforeach()
  add_library(myst_drivers INTERFACE)
  target_link_libraries(myst_drivers INTERFACE ${all} myst_platform)
endfunction()
