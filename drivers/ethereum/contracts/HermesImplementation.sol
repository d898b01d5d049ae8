// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Base} from "./Base.sol";
import {IDex, IHermes, IRegistry} from "./Interfaces.sol";

/// The hub of payments: takes what consumers promised, pays what its operator promised to
/// providers. Provider channels are records in here, keyed by keccak(identity, this address).
contract HermesImplementation is Base, IHermes {
    using SafeERC20 for IERC20;

    struct Channel {
        uint256 settled; // what promises have paid so far; promises are cumulative
        uint256 stake;
        uint256 lastUsedNonce; // of stake returns
        uint256 timelock; // unused, part of the ABI
    }

    struct Fee {
        uint16 value; // in 1/10000
        uint64 validFrom;
    }

    struct Punishment {
        uint256 activationBlockTime;
        uint256 amount; // grows over all emergencies
    }

    /// The signed part of a promise, and R of its hashlock.
    struct Promise {
        uint256 amount;
        uint256 fee;
        bytes32 preimage;
    }

    uint256 private constant FEE_DELAY = 3 days;
    uint256 private constant CLOSING_DELAY = 100 * FEE_DELAY;
    uint256 private constant PUNISHMENT_UNIT = 1 hours;
    uint256 private constant PUNISHMENT_FACTOR = 4;
    uint16 private constant MAX_FEE = 5000;

    IRegistry private registry;
    address private operator; // zero: not initialized
    IDex private dex;
    uint256 private totalStake; // of all provider channels
    uint256 private minStake;
    uint256 private maxStake;
    uint256 private hermesStake;
    uint256 private closingTimelock;
    Status private status;
    Fee public lastFee;
    Fee public previousFee;
    Punishment public punishment;
    mapping(bytes32 => Channel) public channels;

    event PromiseSettled(
        address indexed identity,
        bytes32 indexed channelId,
        address indexed beneficiary,
        uint256 amountSentToBeneficiary,
        uint256 fees,
        bytes32 lock // the preimage, not its hash
    );
    event NewStake(bytes32 indexed channelId, uint256 stakeAmount);
    event MinStakeValueUpdated(uint256 newMinStake);
    event MaxStakeValueUpdated(uint256 newMaxStake);
    event HermesFeeUpdated(uint16 newFee, uint64 validFrom);
    event HermesClosed(uint256 blockTimestamp);
    event ChannelOpeningPaused();
    event ChannelOpeningActivated();
    event FundsWithdrawned(uint256 amount, address beneficiary);
    event HermesStakeIncreased(uint256 newStake);
    event HermesPunishmentActivated(uint256 activationBlockTime);
    event HermesPunishmentDeactivated();

    modifier onlyOperator() {
        require(msg.sender == operator, "not the operator");
        _;
    }

    modifier onlyActive() {
        require(isHermesActive(), "hermes is not active");
        _;
    }

    modifier notClosed() {
        require(status != Status.Closed, "hermes is closed");
        _;
    }

    function initialize(
        address newToken,
        address newOperator,
        uint16 fee,
        uint256 newMinStake,
        uint256 newMaxStake,
        address newDex
    ) external {
        require(!isInitialized(), "already initialized");
        require(newToken != address(0), "token is zero");
        require(newOperator != address(0), "operator is zero");
        require(fee <= MAX_FEE, "fee is too high");
        require(newMaxStake > newMinStake, "max stake is not above min stake");
        token = IERC20(newToken);
        operator = newOperator;
        registry = IRegistry(msg.sender);
        dex = IDex(newDex);
        hermesStake = token.balanceOf(address(this));
        minStake = newMinStake;
        maxStake = newMaxStake;
        lastFee = Fee(fee, uint64(block.timestamp));
        token.forceApprove(newDex, type(uint256).max);
        _setOwner(newOperator);
    }

    // ---- provider channels ----

    function openChannel(address identity, uint256 stake) external {
        require(msg.sender == address(registry), "not the registry");
        require(status == Status.Active, "hermes is not active");
        require(stake >= minStake, "stake is below the minimum");
        _increaseStake(getChannelId(identity), stake, true);
    }

    /// Pays the identity's beneficiary what the operator's promise exceeds the last one by, less
    /// the caller's fee and the Hermes fee.
    function settlePromise(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external {
        address beneficiary = registry.getBeneficiary(identity);
        require(beneficiary != address(0), "identity is not registered");
        _payOut(identity, Promise(amount, fee, preimage), signature, beneficiary);
    }

    function settleWithBeneficiary(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature,
        address newBeneficiary,
        bytes calldata beneficiarySignature
    ) external {
        registry.setBeneficiary(identity, newBeneficiary, beneficiarySignature);
        _payOut(identity, Promise(amount, fee, preimage), signature, newBeneficiary);
    }

    /// Earnings leave as native coin: the exchange pays the beneficiary.
    function settleWithDEX(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external {
        address beneficiary = registry.getBeneficiary(identity);
        require(beneficiary != address(0), "identity is not registered");
        bytes32 channelId = getChannelId(identity);
        (uint256 earned, uint256 fees) = _settle(
            channelId,
            Promise(amount, fee, preimage),
            signature,
            true,
            false
        );
        address[] memory path = new address[](2);
        path[0] = address(token);
        path[1] = dex.WETH();
        dex.swapExactTokensForETH(earned, 0, path, beneficiary, block.timestamp);
        emit PromiseSettled(identity, channelId, beneficiary, earned, fees, preimage);
    }

    /// A withdrawal: money the identity paid elsewhere leaves by its withdrawal channel, without
    /// Hermes fee, to the beneficiary the identity signed.
    function payAndSettle(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature,
        address beneficiary,
        bytes calldata beneficiarySignature
    ) external {
        bytes32 channelId = getChannelId(identity, "withdrawal");
        address signer = _signer(
            abi.encodePacked(block.chainid, channelId, amount, preimage, beneficiary),
            beneficiarySignature
        );
        require(signer == identity, "beneficiary is not signed by the identity");
        (uint256 earned, uint256 fees) = _settle(
            channelId,
            Promise(amount, fee, preimage),
            signature,
            false,
            true
        );
        token.safeTransfer(beneficiary, earned);
        emit PromiseSettled(identity, channelId, beneficiary, earned, fees, preimage);
    }

    function settleIntoStake(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external {
        bytes32 channelId = getChannelId(identity);
        (uint256 earned, uint256 fees) = _settle(
            channelId,
            Promise(amount, fee, preimage),
            signature,
            true,
            true
        );
        emit PromiseSettled(identity, channelId, address(this), earned, fees, preimage);
        _increaseStake(channelId, earned, false);
    }

    /// Anyone may add to anyone's stake.
    function increaseStake(bytes32 channelId, uint256 amount) external notClosed {
        _increaseStake(channelId, amount, true);
    }

    /// The nonce is counted first, so the signed one is lastUsedNonce + 1 of before.
    function decreaseStake(
        address identity,
        uint256 amount,
        uint256 fee,
        bytes calldata signature
    ) external {
        bytes32 channelId = getChannelId(identity);
        Channel storage channel = channels[channelId];
        require(isChannelOpened(channelId), "no such channel");
        require(amount >= fee, "amount does not cover the fee");
        require(amount <= channel.stake, "amount is above the stake");
        channel.lastUsedNonce += 1;
        address signer = _signer(
            abi.encodePacked(
                "Stake return request",
                block.chainid,
                channelId,
                amount,
                fee,
                channel.lastUsedNonce
            ),
            signature
        );
        require(getChannelId(signer) == channelId, "not signed by the identity");
        uint256 left = channel.stake - amount;
        require(left == 0 || left >= minStake, "remaining stake is below the minimum");
        channel.stake = left;
        totalStake -= amount;
        if (fee > 0) token.safeTransfer(msg.sender, fee);
        token.safeTransfer(registry.getBeneficiary(identity), amount - fee);
        emit NewStake(channelId, left);
    }

    function validatePromise(
        bytes32 channelId,
        uint256 amount,
        uint256 fee,
        bytes32 preimage,
        bytes calldata signature
    ) external view returns (bool) {
        return _isSigned(channelId, Promise(amount, fee, preimage), signature);
    }

    function getChannelId(address identity) public view returns (bytes32) {
        return keccak256(abi.encodePacked(identity, address(this)));
    }

    function getChannelId(address identity, string memory kind) public view returns (bytes32) {
        return keccak256(abi.encodePacked(identity, address(this), kind));
    }

    function isChannelOpened(bytes32 channelId) public view returns (bool) {
        return channels[channelId].settled != 0 || channels[channelId].stake != 0;
    }

    // ---- state ----

    function isInitialized() public view returns (bool) {
        return operator != address(0);
    }

    function isHermesActive() public view returns (bool) {
        return status == Status.Active || status == Status.Paused;
    }

    function getStatus() external view returns (Status) {
        return status;
    }

    function getOperator() external view returns (address) {
        return operator;
    }

    function getRegistry() external view returns (address) {
        return address(registry);
    }

    function getHermesStake() external view returns (uint256) {
        return hermesStake;
    }

    function getStakeThresholds() external view returns (uint256, uint256) {
        return (minStake, maxStake);
    }

    function getActiveFee() public view returns (uint256) {
        return block.timestamp >= lastFee.validFrom ? lastFee.value : previousFee.value;
    }

    /// Rounded down to 1/100 of the percentage, then up: at 4 % 1 costs 1, at 0.01 % nothing.
    function calculateHermesFee(uint256 amount) public view returns (uint256) {
        return ((amount * getActiveFee()) / 100 + 99) / 100;
    }

    function minimalExpectedBalance() public view returns (uint256) {
        return
            (hermesStake > punishment.amount ? hermesStake : punishment.amount) + totalStake;
    }

    function availableBalance() public view returns (uint256) {
        uint256 balance = token.balanceOf(address(this));
        uint256 expected = minimalExpectedBalance();
        return balance > expected ? balance - expected : 0;
    }

    // ---- the operator's and the owner's ----

    function setHermesFee(uint16 newFee) external onlyOwner notClosed {
        require(newFee <= MAX_FEE, "fee is too high");
        require(block.timestamp >= lastFee.validFrom, "the last fee is not valid yet");
        previousFee = lastFee;
        lastFee = Fee(newFee, uint64(block.timestamp + FEE_DELAY));
        emit HermesFeeUpdated(newFee, lastFee.validFrom);
    }

    function setMinStake(uint256 newMinStake) external onlyOwner onlyActive {
        require(newMinStake < maxStake, "max stake is not above min stake");
        minStake = newMinStake;
        emit MinStakeValueUpdated(newMinStake);
    }

    function setMaxStake(uint256 newMaxStake) external onlyOwner onlyActive {
        require(newMaxStake > minStake, "max stake is not above min stake");
        maxStake = newMaxStake;
        emit MaxStakeValueUpdated(newMaxStake);
    }

    function increaseHermesStake(uint256 amount) external onlyOwner onlyActive {
        token.safeTransferFrom(msg.sender, address(this), amount);
        hermesStake += amount;
        emit HermesStakeIncreased(hermesStake);
    }

    function withdraw(address beneficiary, uint256 amount) external onlyOwner onlyActive {
        require(beneficiary != address(0), "beneficiary is zero");
        require(amount <= availableBalance(), "amount is above the available balance");
        token.safeTransfer(beneficiary, amount);
        emit FundsWithdrawned(amount, beneficiary);
    }

    function pauseChannelOpening() external onlyOperator {
        require(status == Status.Active, "hermes is not active");
        status = Status.Paused;
        emit ChannelOpeningPaused();
    }

    function activateChannelOpening() external onlyOperator {
        require(status == Status.Paused, "hermes is not paused");
        status = Status.Active;
        emit ChannelOpeningActivated();
    }

    /// For good. Providers can still take their stakes.
    function closeHermes() external onlyOwner onlyActive {
        status = Status.Closed;
        closingTimelock = block.timestamp + CLOSING_DELAY;
        emit HermesClosed(block.timestamp);
    }

    /// What is left after the closing delay, except what belongs to providers and the punishment.
    function getStakeBack(address beneficiary) external onlyOwner {
        require(beneficiary != address(0), "beneficiary is zero");
        require(status == Status.Closed, "hermes is not closed");
        require(block.timestamp > closingTimelock, "the closing delay has not passed");
        uint256 kept = totalStake + punishment.amount;
        uint256 balance = token.balanceOf(address(this));
        require(balance > kept, "nothing to take back");
        hermesStake = 0;
        token.safeTransfer(beneficiary, balance - kept);
    }

    /// Out of punishment, by anyone who pays what is missing. Each started hour after the first
    /// locks 4 % of all provider stakes more.
    function resolveEmergency() external {
        require(status == Status.Punishment, "hermes is not in punishment");
        uint256 elapsed = block.timestamp - punishment.activationBlockTime;
        uint256 units = elapsed == 0 ? 0 : (elapsed - 1) / PUNISHMENT_UNIT;
        punishment.amount += units * ((totalStake * PUNISHMENT_FACTOR + 99) / 100);
        status = Status.Active;
        uint256 needed = minimalExpectedBalance() + maxStake;
        uint256 balance = token.balanceOf(address(this));
        if (balance < needed) token.safeTransferFrom(msg.sender, address(this), needed - balance);
        emit HermesPunishmentDeactivated();
    }

    // ----

    function _payOut(
        address identity,
        Promise memory promised,
        bytes memory signature,
        address beneficiary
    ) private {
        bytes32 channelId = getChannelId(identity);
        (uint256 earned, uint256 fees) = _settle(channelId, promised, signature, true, false);
        token.safeTransfer(beneficiary, earned);
        emit PromiseSettled(identity, channelId, beneficiary, earned, fees, promised.preimage);
    }

    /// Counts what the promise exceeds the last one by, as far as the contract has it and the
    /// channel may take it at once, and pays the caller's fee. Returns what the provider earns.
    function _settle(
        bytes32 channelId,
        Promise memory promised,
        bytes memory signature,
        bool takeFee,
        bool ignoreStake
    ) private onlyActive returns (uint256 earned, uint256 fees) {
        require(
            _isSigned(channelId, promised, signature),
            "promise is not signed by the operator"
        );
        Channel storage channel = channels[channelId];
        require(
            channel.settled > 0 || channel.stake >= minStake || ignoreStake,
            "not enough stake"
        );
        uint256 available = availableBalance();
        if (available < channel.stake) {
            status = Status.Punishment;
            punishment.activationBlockTime = block.timestamp;
            emit HermesPunishmentActivated(block.timestamp);
        }
        uint256 unpaid = promised.amount - channel.settled;
        require(unpaid > promised.fee, "amount does not cover the fee");
        uint256 cap = channel.stake > maxStake ? channel.stake : maxStake;
        if (cap > available) cap = available;
        if (unpaid > cap) unpaid = cap;

        channel.settled += unpaid;
        fees = promised.fee + (takeFee ? calculateHermesFee(unpaid) : 0);
        earned = unpaid - fees;
        if (promised.fee > 0) token.safeTransfer(msg.sender, promised.fee);
    }

    function _increaseStake(bytes32 channelId, uint256 amount, bool pull) private {
        uint256 stake = channels[channelId].stake + amount;
        require(stake >= minStake, "stake is below the minimum");
        require(stake <= maxStake, "stake is above the maximum");
        channels[channelId].stake = stake;
        totalStake += amount;
        if (pull) token.safeTransferFrom(msg.sender, address(this), amount);
        emit NewStake(channelId, stake);
    }

    function _isSigned(
        bytes32 channelId,
        Promise memory promised,
        bytes memory signature
    ) private view returns (bool) {
        return
            _signer(
                abi.encodePacked(
                    block.chainid,
                    channelId,
                    promised.amount,
                    promised.fee,
                    keccak256(abi.encodePacked(promised.preimage))
                ),
                signature
            ) == operator;
    }
}
