#include <cstring>

#include "drivers/wireguard/device.hpp"

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "wireguard") == 0) {
    return myst::wireguard::wireguard_main(argc - 1, argv + 1);
  }
  return 0;
}
