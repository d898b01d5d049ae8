// The network document as JSON; its format is docs/network-document.md.
#pragma once

#include <string>
#include <string_view>

#include "core/base/result.hpp"
#include "core/market/network_document.hpp"

namespace myst::discovery {

// Malformed: no JSON, another format, an address or URL that is none, a member of the wrong type,
// no broker, no discovery, no location. Full: above 64 KiB or 16 entries of one list.
Result<core::NetworkDocument> read_network_document(std::string_view text);
std::string write_network_document(const core::NetworkDocument& document);

// Where the document of a hub is: what follows --network. "hub.example" and
// "http://hub.example:8080" mean their "/network"; a URL that has a path is taken as it is.
// Malformed: no http or https URL.
Result<std::string> network_document_url(std::string_view hub);

}  // namespace myst::discovery
