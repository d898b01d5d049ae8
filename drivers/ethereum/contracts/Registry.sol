// SPDX-License-Identifier: GPL-3.0-only
pragma solidity ^0.8.24;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {Base} from "./Base.sol";
import {IChannel, IHermes, IRegistry} from "./Interfaces.sol";

/// Who takes part: Hermes contracts, identities and where their earnings go. Deploys consumer
/// channels and Hermes contracts as minimal proxies at addresses everybody can compute.
contract Registry is Base, IRegistry {
    using SafeERC20 for IERC20;

    struct Implementations {
        address channel;
        address hermes;
    }

    // Recorded as every Hermes's stake getter; Hermes contracts have no such function.
    bytes4 private constant STAKE_GETTER = bytes4(keccak256("getStake()"));

    address public dex;
    uint256 public minimalHermesStake;
    IRegistry public parentRegistry; // zero: this one is the root
    uint256 public lastNonce; // of beneficiary changes and Hermes URLs, of all together
    Implementations[] private implementations; // the index is the version
    mapping(address => Hermes) private hermeses;
    mapping(address => address) private beneficiaries; // of identities; zero: not registered

    event RegisteredIdentity(address indexed identity, address beneficiary);
    event RegisteredHermes(address indexed hermesId, address hermesOperator, bytes url);
    event HermesURLUpdated(address indexed hermesId, bytes newURL);
    event ConsumerChannelCreated(
        address indexed identity,
        address indexed hermesId,
        address channelAddress
    );
    event BeneficiaryChanged(address indexed identity, address newBeneficiary);
    event MinimalHermesStakeChanged(uint256 newMinimalStake);

    modifier onlyActiveHermes(address hermesId) {
        require(isHermes(hermesId), "no such hermes");
        require(IHermes(hermesId).getStatus() == IHermes.Status.Active, "hermes is not active");
        _;
    }

    function initialize(
        address newToken,
        address newDex,
        uint256 newMinimalHermesStake,
        address channelImplementation,
        address hermesImplementation,
        address newParentRegistry
    ) external onlyOwner {
        require(!isInitialized(), "already initialized");
        require(newToken != address(0), "token is zero");
        require(newDex != address(0), "dex is zero");
        token = IERC20(newToken);
        dex = newDex;
        minimalHermesStake = newMinimalHermesStake;
        parentRegistry = IRegistry(newParentRegistry);
        _addImplementations(channelImplementation, hermesImplementation);
        _setOwner(msg.sender);
    }

    function isInitialized() public view returns (bool) {
        return address(token) != address(0);
    }

    function hasParentRegistry() public view returns (bool) {
        return address(parentRegistry) != address(0);
    }

    // ---- identities ----

    /// Anyone may bring an identity's signed request; the fee is theirs. Any field that was not
    /// signed yields another identity, whose channel usually has no tokens.
    function registerIdentity(
        address hermesId,
        uint256 stake,
        uint256 fee,
        address beneficiary,
        bytes calldata signature
    ) external onlyActiveHermes(hermesId) {
        address identity = _signer(
            abi.encodePacked(
                block.chainid,
                address(this),
                hermesId,
                stake,
                fee,
                beneficiary
            ),
            signature
        );
        _openPaidChannel(identity, hermesId, beneficiary, stake + fee);
        if (stake > 0) IHermes(hermesId).openChannel(identity, stake);
        if (fee > 0) token.safeTransfer(msg.sender, fee);
    }

    /// A channel with a further Hermes. The fee stays with the registry.
    function openConsumerChannel(
        address hermesId,
        uint256 fee,
        bytes calldata signature
    ) external onlyActiveHermes(hermesId) {
        address identity = _signer(
            abi.encodePacked(block.chainid, address(this), hermesId, fee),
            signature
        );
        _openPaidChannel(identity, hermesId, address(0), fee);
    }

    function openConsumerChannel(
        address identity,
        address hermesId
    ) external onlyActiveHermes(hermesId) {
        require(!isChannelOpened(identity, hermesId), "channel is already open");
        _openChannel(identity, hermesId, address(0), 0);
    }

    /// The nonce is counted first, so the signed one is lastNonce + 1 of before.
    function setBeneficiary(
        address identity,
        address newBeneficiary,
        bytes calldata signature
    ) external {
        require(newBeneficiary != address(0), "beneficiary is zero");
        if (hasParentRegistry()) {
            parentRegistry.setBeneficiary(identity, newBeneficiary, signature);
            return;
        }
        lastNonce = lastNonce + 1;
        address signer = _signer(
            abi.encodePacked(block.chainid, address(this), identity, newBeneficiary, lastNonce),
            signature
        );
        require(signer == identity, "not signed by the identity");
        beneficiaries[identity] = newBeneficiary;
        emit BeneficiaryChanged(identity, newBeneficiary);
    }

    function isRegistered(address identity) public view returns (bool) {
        if (hasParentRegistry()) return parentRegistry.isRegistered(identity);
        return beneficiaries[identity] != address(0);
    }

    function getBeneficiary(address identity) external view returns (address) {
        if (hasParentRegistry()) return parentRegistry.getBeneficiary(identity);
        return beneficiaries[identity];
    }

    /// On a root registry this reverts for a channel that is not open: the question goes on to a
    /// parent that is not there. The network's registry does the same, and callers know.
    function isChannelOpened(address identity, address hermesId) public view returns (bool) {
        return
            getChannelAddress(identity, hermesId).code.length > 0 ||
            parentRegistry.isChannelOpened(identity, hermesId);
    }

    // ---- Hermes contracts ----

    function registerHermes(
        address operator,
        uint256 stake,
        uint16 fee,
        uint256 minChannelStake,
        uint256 maxChannelStake,
        bytes calldata url
    ) external {
        require(isInitialized(), "not initialized");
        require(operator != address(0), "operator is zero");
        require(stake >= minimalHermesStake, "hermes stake is too low");
        uint256 version = getLastImplVer();
        require(!isHermes(getHermesAddress(operator, version)), "hermes is already registered");

        address hermesId = Clones.cloneDeterministic(
            getHermesImplementation(version),
            _operatorSalt(operator)
        );
        token.safeTransferFrom(msg.sender, hermesId, stake);
        IHermes(hermesId).initialize(
            address(token),
            operator,
            fee,
            minChannelStake,
            maxChannelStake,
            dex
        );
        hermeses[hermesId] = Hermes(
            operator,
            version,
            bytes24(bytes.concat(bytes20(hermesId), STAKE_GETTER)),
            url
        );
        // For the stakes of providers that register: the Hermes contract pulls them from here.
        token.forceApprove(hermesId, type(uint256).max);
        emit RegisteredHermes(hermesId, operator, url);
    }

    /// The nonce is counted afterwards, so the signed one is lastNonce of before.
    function updateHermesURL(
        address hermesId,
        bytes calldata url,
        bytes calldata signature
    ) external onlyActiveHermes(hermesId) {
        address signer = _signer(
            abi.encodePacked(address(this), hermesId, url, lastNonce),
            signature
        );
        lastNonce = lastNonce + 1;
        require(signer == hermeses[hermesId].operator, "not signed by the operator");
        hermeses[hermesId].url = url;
        emit HermesURLUpdated(hermesId, url);
    }

    /// Reverts instead of answering no when the recorded address is right, has no code, and there
    /// is no parent to ask.
    function isHermes(address hermesId) public view returns (bool) {
        Hermes storage record = hermeses[hermesId];
        if (getHermesAddress(record.operator, record.implVer) != hermesId) return false;
        return hermesId.code.length > 0 || parentRegistry.isHermes(hermesId);
    }

    function getHermes(address hermesId) public view returns (Hermes memory) {
        if (_askParent(hermesId)) return parentRegistry.getHermes(hermesId);
        return hermeses[hermesId];
    }

    function getHermesURL(address hermesId) external view returns (bytes memory) {
        return getHermes(hermesId).url;
    }

    // ---- addresses and implementations ----

    function getChannelAddress(address identity, address hermesId) public view returns (address) {
        return
            Clones.predictDeterministicAddress(
                _channelImplementation(hermesId),
                _channelSalt(identity, hermesId)
            );
    }

    function getHermesAddress(address operator) external view returns (address) {
        return getHermesAddress(operator, getLastImplVer());
    }

    function getHermesAddress(address operator, uint256 version) public view returns (address) {
        return
            Clones.predictDeterministicAddress(
                getHermesImplementation(version),
                _operatorSalt(operator)
            );
    }

    /// Init code of a minimal proxy; its hash is part of every address above.
    function getProxyCode(address implementation) external pure returns (bytes memory) {
        return
            abi.encodePacked(
                hex"3d602d80600a3d3981f3363d3d373d3d3d363d73",
                implementation,
                hex"5af43d82803e903d91602b57fd5bf3"
            );
    }

    function getLastImplVer() public view returns (uint256) {
        return implementations.length - 1;
    }

    function getChannelImplementation() external view returns (address) {
        return getChannelImplementation(getLastImplVer());
    }

    function getChannelImplementation(uint256 version) public view returns (address) {
        return implementations[version].channel;
    }

    function getHermesImplementation() external view returns (address) {
        return getHermesImplementation(getLastImplVer());
    }

    function getHermesImplementation(uint256 version) public view returns (address) {
        return implementations[version].hermes;
    }

    // ---- the owner's ----

    /// A new version, for Hermes contracts registered from now on and the channels with them.
    function setImplementations(
        address channelImplementation,
        address hermesImplementation
    ) external onlyOwner {
        _addImplementations(channelImplementation, hermesImplementation);
    }

    function setMinimalHermesStake(uint256 newMinimalStake) external onlyOwner {
        require(isInitialized(), "not initialized");
        minimalHermesStake = newMinimalStake;
        emit MinimalHermesStakeChanged(newMinimalStake);
    }

    /// Fees of openConsumerChannel.
    function transferCollectedFeeTo(address beneficiary) external onlyOwner {
        token.safeTransfer(beneficiary, token.balanceOf(address(this)));
    }

    // ----

    function _openPaidChannel(
        address identity,
        address hermesId,
        address beneficiary,
        uint256 payment
    ) private {
        require(
            payment <= token.balanceOf(getChannelAddress(identity, hermesId)),
            "not enough funds in the channel"
        );
        _openChannel(identity, hermesId, beneficiary, payment);
    }

    function _openChannel(
        address identity,
        address hermesId,
        address beneficiary,
        uint256 payment
    ) private {
        address channel = Clones.cloneDeterministic(
            _channelImplementation(hermesId),
            _channelSalt(identity, hermesId)
        );
        IChannel(channel).initialize(address(token), dex, identity, hermesId, payment);
        emit ConsumerChannelCreated(identity, hermesId, channel);
        if (isRegistered(identity)) return;
        if (beneficiary == address(0)) beneficiary = channel;
        beneficiaries[identity] = beneficiary;
        emit RegisteredIdentity(identity, beneficiary);
    }

    function _addImplementations(address channel, address hermes) private {
        require(channel.code.length > 0, "channel implementation has no code");
        require(hermes.code.length > 0, "hermes implementation has no code");
        implementations.push(Implementations(channel, hermes));
    }

    function _channelImplementation(address hermesId) private view returns (address) {
        return
            getChannelImplementation(
                _askParent(hermesId)
                    ? parentRegistry.getHermes(hermesId).implVer
                    : hermeses[hermesId].implVer
            );
    }

    function _askParent(address hermesId) private view returns (bool) {
        return hermeses[hermesId].operator == address(0) && hasParentRegistry();
    }

    function _channelSalt(address identity, address hermesId) private pure returns (bytes32) {
        return keccak256(abi.encodePacked(identity, hermesId));
    }

    function _operatorSalt(address operator) private pure returns (bytes32) {
        return bytes32(uint256(uint160(operator)));
    }
}
