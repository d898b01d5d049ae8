// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Base} from "./Base.sol";
import {IChannel, IDex, IHermes} from "./Interfaces.sol";

/// A consumer's purse with one Hermes: tokens sent to its address can only leave by the
/// identity's promises, or with both signatures.
contract ChannelImplementation is Base, IChannel {
    using SafeERC20 for IERC20;

    struct Hermes {
        address operator;
        address contractAddress;
        uint256 settled; // what promises have taken so far; promises are cumulative
    }

    address public operator; // the identity; zero: not initialized
    Hermes public hermes;
    uint256 private lastNonce; // of exits and destination cheques
    IDex private dex;

    event PromiseSettled(
        address beneficiary,
        uint256 amount,
        uint256 totalSettled,
        bytes32 lock // the preimage, not its hash
    );
    event Withdraw(address beneficiary, uint256 amount);

    /// Native coin becomes tokens of the channel.
    receive() external payable {
        address[] memory path = new address[](2);
        path[0] = dex.WETH();
        path[1] = address(token);
        dex.swapExactETHForTokens{value: msg.value}(0, path, address(this), block.timestamp);
    }

    /// The fee (with the provider's stake, if any) goes to the caller, the registry.
    function initialize(
        address newToken,
        address newDex,
        address identity,
        address hermesId,
        uint256 fee
    ) external {
        require(!isInitialized(), "already initialized");
        require(identity != address(0), "identity is zero");
        require(hermesId != address(0), "hermes is zero");
        require(newToken != address(0), "token is zero");
        token = IERC20(newToken);
        dex = IDex(newDex);
        operator = identity;
        hermes = Hermes(IHermes(hermesId).getOperator(), hermesId, 0);
        if (fee > 0) token.safeTransfer(msg.sender, fee);
        _setOwner(identity);
    }

    function isInitialized() public view returns (bool) {
        return operator != address(0);
    }

    /// What the promise exceeds the last one by, as far as the channel has it: the rest may be
    /// settled later with the same promise. The fee is part of the amount and goes to the caller.
    function settlePromise(
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external {
        address signer = _signer(
            abi.encodePacked(
                block.chainid,
                uint256(uint160(address(this))),
                amount,
                fee,
                keccak256(abi.encodePacked(preimage))
            ),
            signature
        );
        require(signer == operator, "promise is not signed by the identity");
        uint256 unpaid = amount - hermes.settled;
        require(unpaid > 0, "nothing to settle");
        uint256 balance = token.balanceOf(address(this));
        if (unpaid > balance) unpaid = balance;

        hermes.settled += unpaid;
        token.safeTransfer(hermes.contractAddress, unpaid - fee);
        if (fee > 0) token.safeTransfer(msg.sender, fee);
        emit PromiseSettled(hermes.contractAddress, unpaid, hermes.settled, preimage);
    }

    /// Out of the channel with the Hermes's consent; what promises have taken stays untouched.
    function fastExit(
        uint256 amount,
        uint256 fee,
        address beneficiary,
        uint256 validUntil,
        bytes calldata identitySignature,
        bytes calldata hermesSignature
    ) external {
        require(validUntil >= block.timestamp, "exit request has expired");
        bytes memory request = abi.encodePacked(
            "Exit request:",
            block.chainid,
            uint256(uint160(address(this))),
            amount,
            fee,
            uint256(uint160(beneficiary)),
            validUntil,
            lastNonce++
        );
        require(_signer(request, identitySignature) == operator, "not signed by the identity");
        require(_signer(request, hermesSignature) == hermes.operator, "not signed by the hermes");
        require(amount >= fee, "amount does not cover the fee");
        if (fee > 0) token.safeTransfer(msg.sender, fee);
        token.safeTransfer(beneficiary, amount - fee);
        emit Withdraw(beneficiary, amount - fee);
    }

    /// The identity sets where foreign funds go without sending a transaction.
    function setFundsDestinationByCheque(
        address payable newDestination,
        bytes calldata signature
    ) external {
        bytes memory cheque = abi.encodePacked(
            "Set funds destination:",
            address(this),
            newDestination,
            lastNonce++
        );
        require(_signer(cheque, signature) == operator, "not signed by the identity");
        _setFundsDestination(newDestination);
    }
}
