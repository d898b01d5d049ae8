// Bodies of the transactor's API as its server reads and writes them (node: identity/registry/
// transactor.go). Read errors are Malformed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/result.hpp"
#include "core/base/time.hpp"
#include "core/hub/transactor/requests.hpp"
#include "core/hub/transactor/task.hpp"

namespace myst::transactor {

constexpr std::size_t kMaxBody = 16 * 1024;

Result<core::transactor::RegistrationRequest> read_registration(std::string_view body);
Result<core::transactor::OpenChannelRequest> read_open_channel(std::string_view body);
Result<core::transactor::SettleRequest> read_settle(std::string_view body,
                                                    core::transactor::Kind kind);
Result<core::transactor::SettleWithBeneficiaryRequest> read_settle_with_beneficiary(
    std::string_view body);
Result<core::transactor::PayAndSettleRequest> read_pay_and_settle(std::string_view body);
Result<core::transactor::DecreaseStakeRequest> read_decrease_stake(std::string_view body);

struct ChannelStatusRequest {
  std::uint64_t chain = 0;
  Address identity, hermes, registry;
};
Result<ChannelStatusRequest> read_channel_status(std::string_view body);

std::string write_fee(const Wei& fee, WallTime valid_until);
std::string write_fees(const core::transactor::Fees& current, const core::transactor::Fees& last,
                       WallTime now, WallTime valid_until);
std::string write_eligible(bool eligible);
std::string write_id(std::string_view id);
std::string write_queue_entry(const core::transactor::Task& task);
// One entry a registration, newest first. `reason` is ours: why it waits or failed.
std::string write_registrations(const std::vector<core::transactor::Task>& tasks);
enum class ChannelStatus : std::uint8_t { NotFound, Open, Failed, InProgress };
std::string write_channel_status(ChannelStatus status, std::string_view reason);

// The structured error of the network's services; only with its content type do nodes read it.
constexpr const char* kErrorType = "application/vnd.mysterium.error+json";
std::string write_error(const core::transactor::Refusal& refusal, std::string_view path);

}  // namespace myst::transactor
