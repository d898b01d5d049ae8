// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";

/// The token of a network of one's own. Whoever deploys it mints it.
contract MystToken is ERC20Permit {
    bytes32 public constant PERMIT_TYPEHASH =
        keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    address public upgradeMaster; // the only one who mints

    event Minted(address indexed to, uint256 value);
    event Burned(address indexed from, uint256 value);
    event UpgradeMasterSet(address newMaster);

    modifier onlyUpgradeMaster() {
        require(msg.sender == upgradeMaster, "not the upgrade master");
        _;
    }

    constructor() ERC20("Mysterium", "MYST") ERC20Permit("Mysterium") {
        upgradeMaster = msg.sender;
    }

    function mint(address to, uint256 value) external onlyUpgradeMaster returns (bool) {
        emit Minted(to, value);
        _mint(to, value);
        return true;
    }

    function burn(uint256 value) external returns (bool) {
        _burnOf(msg.sender, value);
        return true;
    }

    function setUpgradeMaster(address newMaster) external onlyUpgradeMaster {
        require(newMaster != address(0), "upgrade master is zero");
        upgradeMaster = newMaster;
        emit UpgradeMasterSet(newMaster);
    }

    function increaseAllowance(address spender, uint256 added) external returns (bool) {
        _approve(msg.sender, spender, allowance(msg.sender, spender) + added);
        return true;
    }

    function decreaseAllowance(address spender, uint256 subtracted) external returns (bool) {
        _approve(msg.sender, spender, allowance(msg.sender, spender) - subtracted);
        return true;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        if (to != address(0)) return super.transfer(to, value);
        _burnOf(msg.sender, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) public override returns (bool) {
        if (to != address(0)) return super.transferFrom(from, to, value);
        _spendAllowance(from, msg.sender, value);
        _burnOf(from, value);
        return true;
    }

    /// What is left of an allowance is announced; an unlimited one stays.
    function _spendAllowance(address from, address spender, uint256 value) internal override {
        uint256 allowed = allowance(from, spender);
        if (allowed == type(uint256).max) return;
        if (allowed < value) revert ERC20InsufficientAllowance(spender, allowed, value);
        _approve(from, spender, allowed - value);
    }

    function _burnOf(address from, uint256 value) private {
        emit Burned(from, value);
        _burn(from, value);
    }
}
