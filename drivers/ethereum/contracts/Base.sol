// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// What registry, consumer channel and Hermes share: an owner, recovery of funds that do not
/// belong here, and the one rule of signatures. Proxies share the implementation's code but not
/// its storage, so nothing is set by a constructor.
abstract contract Base {
    using SafeERC20 for IERC20;

    address public owner; // zero: nobody yet, then everybody passes the owner check
    IERC20 public token;
    address payable private fundsDestination;

    event OwnershipTransferred(address indexed previousOwner, address indexed newOwner);
    event DestinationChanged(address indexed previousDestination, address indexed newDestination);

    modifier onlyOwner() {
        require(owner == address(0) || msg.sender == owner, "not the owner");
        _;
    }

    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), "new owner is zero");
        _setOwner(newOwner);
    }

    function getFundsDestination() external view returns (address) {
        return fundsDestination;
    }

    function setFundsDestination(address payable newDestination) external onlyOwner {
        _setFundsDestination(newDestination);
    }

    /// Anyone may push native coin to the destination the owner has set.
    function claimEthers() external {
        require(fundsDestination != address(0), "no funds destination");
        (bool sent, ) = fundsDestination.call{value: address(this).balance}("");
        require(sent, "funds destination refuses");
    }

    /// Likewise tokens, except the network's own: those have owners by the rules of the contract.
    function claimTokens(address foreignToken) external {
        require(fundsDestination != address(0), "no funds destination");
        require(foreignToken != address(token), "the network's token cannot be claimed");
        IERC20(foreignToken).safeTransfer(
            fundsDestination,
            IERC20(foreignToken).balanceOf(address(this))
        );
    }

    function _setOwner(address newOwner) internal {
        emit OwnershipTransferred(owner, newOwner);
        owner = newOwner;
    }

    function _setFundsDestination(address payable newDestination) internal {
        require(newDestination != address(0), "funds destination is zero");
        emit DestinationChanged(fundsDestination, newDestination);
        fundsDestination = newDestination;
    }

    /// Signatures are over keccak of the packed bytes themselves (no prefix), 65 bytes with v 27
    /// or 28 and low s. Never zero.
    function _signer(
        bytes memory preimage,
        bytes memory signature
    ) internal pure returns (address signer) {
        ECDSA.RecoverError problem;
        (signer, problem, ) = ECDSA.tryRecover(keccak256(preimage), signature);
        require(problem == ECDSA.RecoverError.NoError, "malformed signature");
    }
}
