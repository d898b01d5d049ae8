// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IDex} from "./Interfaces.sol";

/// An exchange for chains that have none: tokens for native coin at a fixed rate, from what it
/// was given. Not for a chain where either has a value.
contract DevelopmentDex is IDex {
    using SafeERC20 for IERC20;

    uint256 public constant TOKENS_PER_COIN = 4;

    receive() external payable {}

    /// There is no wrapped coin here; the exchange stands for it in a path.
    function WETH() external view returns (address) {
        return address(this);
    }

    function swapExactETHForTokens(
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external payable returns (uint256[] memory) {
        require(path.length == 2 && path[0] == address(this), "no such path");
        uint256 out = msg.value * TOKENS_PER_COIN;
        _check(out, amountOutMin, deadline);
        IERC20(path[1]).safeTransfer(to, out);
        return _amounts(msg.value, out);
    }

    function swapExactTokensForETH(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory) {
        require(path.length == 2 && path[1] == address(this), "no such path");
        uint256 out = amountIn / TOKENS_PER_COIN;
        _check(out, amountOutMin, deadline);
        IERC20(path[0]).safeTransferFrom(msg.sender, address(this), amountIn);
        (bool sent, ) = to.call{value: out}("");
        require(sent, "cannot pay native coin");
        return _amounts(amountIn, out);
    }

    function _check(uint256 out, uint256 amountOutMin, uint256 deadline) private view {
        require(out >= amountOutMin, "too little comes out");
        require(deadline >= block.timestamp, "expired");
    }

    function _amounts(uint256 amountIn, uint256 out) private pure returns (uint256[] memory amounts) {
        amounts = new uint256[](2);
        (amounts[0], amounts[1]) = (amountIn, out);
    }
}
