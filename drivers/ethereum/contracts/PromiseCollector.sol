// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";
import {IChannel} from "./Interfaces.sol";

/// Cashes the promises of many consumers in one transaction. One that fails (settled meanwhile,
/// channel not open) is left out, the others go on. Holds nothing: fees go to the caller.
contract PromiseCollector is ReentrancyGuard {
    using SafeERC20 for IERC20;

    struct ConsumerPromise {
        address channel;
        uint256 amount;
        uint256 fee;
        bytes32 preimage;
        bytes signature;
    }

    // Above what one promise costs. Without this floor an estimate of the gas would stop at the
    // amount with which the last promises fail for want of it, and are left out.
    uint256 private constant GAS_PER_PROMISE = 150_000;

    event PromiseRefused(address indexed channel, bytes reason);

    function settle(
        IERC20 token,
        ConsumerPromise[] calldata promises
    ) external nonReentrant returns (uint256 settled) {
        for (uint256 i = 0; i < promises.length; ++i) {
            require(gasleft() > GAS_PER_PROMISE, "not enough gas");
            ConsumerPromise calldata p = promises[i];
            (bool done, bytes memory reason) = p.channel.call(
                abi.encodeCall(IChannel.settlePromise, (p.amount, p.fee, p.preimage, p.signature))
            );
            if (done && p.channel.code.length > 0) {
                ++settled;
            } else {
                emit PromiseRefused(p.channel, reason);
            }
        }
        uint256 fees = token.balanceOf(address(this));
        if (fees > 0) token.safeTransfer(msg.sender, fees);
    }
}
