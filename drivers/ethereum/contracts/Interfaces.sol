// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

/// What the contracts call on one another.
interface IRegistry {
    struct Hermes {
        address operator;
        uint256 implVer;
        bytes24 stake; // a getter: 20 bytes of address and 4 of a selector, an ABI `function`
        bytes url;
    }

    function isRegistered(address identity) external view returns (bool);

    function isHermes(address hermesId) external view returns (bool);

    function isChannelOpened(address identity, address hermesId) external view returns (bool);

    function getBeneficiary(address identity) external view returns (address);

    function getHermes(address hermesId) external view returns (Hermes memory);

    function setBeneficiary(
        address identity,
        address newBeneficiary,
        bytes calldata signature
    ) external;
}

interface IChannel {
    function initialize(
        address token,
        address dex,
        address identity,
        address hermesId,
        uint256 fee
    ) external;

    function settlePromise(
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external;
}

interface IHermes {
    enum Status {
        Active,
        Paused, // no new provider channels; settlements go on
        Punishment, // could not pay a channel's stake; needs resolveEmergency
        Closed
    }

    function initialize(
        address token,
        address operator,
        uint16 fee,
        uint256 minStake,
        uint256 maxStake,
        address dex
    ) external;

    function openChannel(address identity, uint256 stake) external;

    function getOperator() external view returns (address);

    function getStatus() external view returns (Status);
}

/// The two calls of an exchange of native coin and tokens (the widespread router interface).
interface IDex {
    function WETH() external view returns (address);

    function swapExactETHForTokens(
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external payable returns (uint256[] memory amounts);

    function swapExactTokensForETH(
        uint256 amountIn,
        uint256 amountOutMin,
        address[] calldata path,
        address to,
        uint256 deadline
    ) external returns (uint256[] memory amounts);
}
